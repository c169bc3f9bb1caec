"""The control: what people write. A publisher with QoS 1 and an in-memory queue (libmosquitto's), mosquitto with
persistence as the manual has it, and a durable QoS 1 subscriber that inserts each message into SQLite. No spool, no
acknowledgement end to end. A reading counts as captured once the broker has confirmed it."""

import os
import pwd
import sqlite3
import sys

from .oracle import Row
from .processes import Process, free_port
from .stack import Bench
from . import inserter

SETTLE_S = 5  # for what still comes

BROKER = """\
user {user}
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 1000000
connection_messages false
log_dest stderr
"""


class Control(Bench):
    recover_s = 8
    must_recover = False  # what was lost does not come back
    store_name = "control"

    def __init__(self, work, tools, devices, interval_ms):
        super().__init__(work, tools)
        self.interval_ms = interval_ms
        self.devices = [f"t-{number:04}" for number in range(1, devices + 1)]
        self.ports = {name: free_port() for name in ("broker", "devices", "ingest")}
        self.store = self.path("ingest", "store", "readings.db")
        self.reader = None

    def make(self):
        for folder in (("broker", "kept"), ("ingest", "store"), ("devices",)):
            os.makedirs(self.path(*folder))
        inserter.make_table(self.store)
        self.write_broker()
        self.add_processes()
        for name in ("devices", "ingest"):
            self.network.add(name, self.ports[name], self.ports["broker"])

    def write_broker(self):
        user = pwd.getpwuid(os.getuid()).pw_name
        text = BROKER.format(user=user, port=self.ports["broker"], folder=self.path("broker", "kept"))
        with open(self.path("mosquitto.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def add_processes(self):
        add = self.supervisor.add
        broker = [self.tools.mosquitto, "-c", self.path("mosquitto.conf")]
        add(Process("broker", "broker", broker, self.log("broker"), self.page_env("broker", self.path("broker", "kept"))))
        ingest = [sys.executable, "-B", inserter.__file__, str(self.ports["ingest"]), self.store]
        add(Process("ingest", "ingest", ingest, self.log("ingest"), self.page_env("ingest", self.path("ingest", "store")),
                    whole_tree=True))
        for name in self.devices:
            publisher = [self.tools.program("ph-chaos-publisher"), str(self.ports["devices"]), name,
                         str(self.interval_ms), self.ledger(name)]
            add(Process(name, "device", publisher, self.log(name), self.page_env(name, self.path("devices", "spool"))))

    def start(self):
        self.network.start()
        self.supervisor.want("broker")
        # Before anything is published: what comes without a session is not what is measured here.
        self.wait_until("the subscription", lambda: inserter.subscribe(self.ports["broker"], "-E").wait() == 0)
        for name in self.supervisor.processes:
            self.supervisor.want(name)
        self.wait_until("a first row of every device", lambda: all(self.mark().values()))

    def mark(self):
        """Per device its newest row: it may never catch up, so that anything new counts."""
        rows = dict(self.select("SELECT device, max(id) FROM reading GROUP BY device"))
        return {name: rows.get(name, 0) for name in self.devices}

    def standing(self, mark):
        return [name for name, newest in self.mark().items() if newest <= mark[name]]

    def select(self, statement, arguments=()):
        try:
            if self.reader is None:
                self.reader = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=0)
            return self.reader.execute(statement, arguments).fetchall()
        except sqlite3.OperationalError:
            self.reader = None  # busy, or being recovered
            return []

    def drain(self):
        self.end(self.devices, SETTLE_S)
        self.supervisor.sleep(SETTLE_S)
        self.end(["ingest", "broker"], SETTLE_S)
        return []

    def do_repeat(self, count):
        """The schedule is that of the real stack, which has a relay for this."""

    def check(self):
        return []

    def finish(self):
        self.network.stop()

    def ledger(self, name):
        return self.path("devices", name)

    def stored(self, name):
        rows = sqlite3.connect(self.store).execute(
            "SELECT stream, seq, time, value FROM reading WHERE device = ?", (name,))
        return [Row(stream, seq, time, {"value": value}) for stream, seq, time, value in rows]
