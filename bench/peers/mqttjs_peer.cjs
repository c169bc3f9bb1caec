// What people write with Node: mqtt.js subscribes with QoS 1 and a durable session; rows are
// inserted so many at once, or what has come in a tenth of a second.
"use strict";
const fs = require("node:fs");
const { spawn } = require("node:child_process");
const mqtt = require("mqtt");

const args = Object.fromEntries(
  process.argv.slice(2).join(" ").split("--").slice(1).map((pair) => pair.trim().split(" ")));
const TABLE = `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS readings(device TEXT, stream TEXT, seq INTEGER, time INTEGER,
    temperature_c REAL, setpoint_c REAL, humidity_pct REAL, hvac TEXT);`;
const INSERT = "INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

function withLibrary(Database, name) {
  const db = new Database(args.store);
  db.exec(TABLE);
  const insert = db.prepare(INSERT);
  return {
    name,
    write(rows) {
      db.exec("BEGIN");
      for (const row of rows) insert.run(...row);
      db.exec("COMMIT");
    },
  };
}

// Neither library: the command line tool, fed through a pipe.
function withCommand() {
  const shell = spawn("sqlite3", [args.store], { stdio: ["pipe", "ignore", "inherit"] });
  const quote = (value) => (typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : value ?? "NULL");
  shell.stdin.write(TABLE);
  return {
    name: "sqlite3 command",
    write(rows) {
      shell.stdin.write(
        `BEGIN;${rows.map((row) => `INSERT INTO readings VALUES(${row.map(quote)});`).join("")}COMMIT;\n`);
    },
  };
}

function openDatabase() {
  try {
    return withLibrary(require("better-sqlite3"), "better-sqlite3");
  } catch {
    try {
      return withLibrary(require("node:sqlite").DatabaseSync, "node:sqlite");
    } catch {
      return withCommand();
    }
  }
}

const database = openDatabase();
let waiting = [];

function flush() {
  if (waiting.length > 0) {
    const rows = waiting;
    waiting = [];
    database.write(rows);
  }
}

function rowsOf(topic, payload) {
  const device = topic.split("/").slice(2, 5).join("/");
  const { stream, seq, readings } = JSON.parse(payload);
  return readings.map((r, i) =>
    [device, stream, seq + i, r.t, r.temperature_c, r.setpoint_c ?? null, r.humidity_pct ?? null, r.hvac ?? null]);
}

const read = (name) => fs.readFileSync(`${args.certs}/${name}`);
const client = mqtt.connect({
  protocol: "mqtts", host: "localhost", port: Number(args.port), clientId: "acme/service/ingest", clean: false,
  ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem"),
});
client.on("connect", () =>
  client.subscribe("ph/v1/+/+/+/telemetry", { qos: 1 }, () =>
    console.log(`subscribed; rows go through ${database.name}`)));
client.on("message", (topic, payload) => {
  waiting.push(...rowsOf(topic, payload));
  if (waiting.length >= Number(args.batch)) flush();
});
client.on("error", (error) => console.error(error.message));
setInterval(flush, 100);
