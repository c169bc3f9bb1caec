"""Part of the control: mosquitto_sub with a durable session, piped into SQLite, one transaction for each message.

    python3 inserter.py PORT DATABASE"""

import json
import shutil
import sqlite3
import subprocess
import sys


def make_table(path):
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE IF NOT EXISTS reading"
                     " (id INTEGER PRIMARY KEY, device TEXT, stream TEXT, seq INTEGER, time INTEGER, value INTEGER)")
    database.commit()
    database.close()


def subscribe(port, *options):
    command = [shutil.which("setpriv"), "--pdeathsig", "KILL", "--", shutil.which("mosquitto_sub"), "-p", str(port), "-V", "5",
               "-c", "-x", "3600", "-i", "store", "-q", "1", "-t", "readings/+", "-F", "%t %p", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def insert(database, line):
    topic, text = line.split(" ", 1)
    reading = json.loads(text)
    database.execute("INSERT INTO reading (device, stream, seq, time, value) VALUES (?, ?, ?, ?, ?)",
                     (topic.split("/")[1], reading["stream"], reading["seq"], reading["t"], reading["value"]))
    database.commit()


def main(port, path):
    database = sqlite3.connect(path, timeout=30)
    for line in subscribe(port).stdout:
        insert(database, line)


if __name__ == "__main__":
    main(*sys.argv[1:])
