"""What people write: Paho subscribes with QoS 1 and a durable session, and inserts into a database.

--batch 1 commits each message in the callback. With more, the callback queues, and the main thread
commits so many rows at once, or what has come in a tenth of a second.
"""

import argparse
import json
import queue
import sqlite3
import time

import paho.mqtt.client as mqtt

COLUMNS = "device, stream, seq, time, temperature_c, setpoint_c, humidity_pct, hvac"
TABLE = """CREATE TABLE IF NOT EXISTS readings(device TEXT, stream TEXT, seq BIGINT, time BIGINT,
    temperature_c DOUBLE PRECISION, setpoint_c DOUBLE PRECISION, humidity_pct DOUBLE PRECISION, hvac TEXT)"""


class SQLite:
    def __init__(self, path):
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute(TABLE)
        self.db.commit()

    def insert(self, rows):
        self.db.executemany(f"INSERT INTO readings({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.db.commit()


class PostgreSQL:
    def __init__(self, uri):
        import psycopg2
        from psycopg2.extras import execute_values

        self.db = psycopg2.connect(uri)
        self.execute_values = execute_values
        with self.db, self.db.cursor() as cursor:
            cursor.execute(TABLE)

    def insert(self, rows):
        with self.db, self.db.cursor() as cursor:
            self.execute_values(cursor, f"INSERT INTO readings({COLUMNS}) VALUES %s", rows, page_size=1000)


def rows_of(message):
    parts = message.topic.split("/")
    device = "/".join(parts[2:5])
    body = json.loads(message.payload)
    return [
        (device, body["stream"], body["seq"] + i, r["t"], r["temperature_c"], r.get("setpoint_c"),
         r.get("humidity_pct"), r.get("hvac"))
        for i, r in enumerate(body["readings"])
    ]


def new_client():
    options = {"client_id": "acme/service/ingest", "clean_session": False}
    if hasattr(mqtt, "CallbackAPIVersion"):  # Paho 2
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, **options)
    return mqtt.Client(**options)


def write_batches(database, incoming, batch):
    while True:
        rows = incoming.get()
        deadline = time.monotonic() + 0.1
        while len(rows) < batch and (left := deadline - time.monotonic()) > 0:
            try:
                rows += incoming.get(timeout=left)
            except queue.Empty:
                break
        database.insert(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--certs")
    parser.add_argument("--store")
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    database = PostgreSQL(args.store) if args.store.startswith("postgresql:") else SQLite(args.store)
    incoming = queue.Queue()

    def on_connect(client, userdata, flags, code):
        client.subscribe("ph/v1/+/+/+/telemetry", qos=1)

    def on_message(client, userdata, message):
        if args.batch == 1:
            database.insert(rows_of(message))
        else:
            incoming.put(rows_of(message))

    client = new_client()
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.on_message = on_message
    client.tls_set(f"{args.certs}/ca.pem", f"{args.certs}/cert.pem", f"{args.certs}/key.pem")
    client.connect("localhost", args.port)
    if args.batch == 1:
        client.loop_forever()
    client.loop_start()
    write_batches(database, incoming, args.batch)


main()
