"""The real stack: PostgreSQL when asked, mosquitto with the plugin, ph-ingest, thermostats, and the
relay; with a proxy in front of the broker and the database, and a fault page for each of them."""

import calendar
import collections
import functools
import json
import os
import shutil
import signal
import subprocess
import time

from . import postgres
from .configuration import write_configuration
from .faulty import FaultPage
from .ledger import last_captured
from .oracle import Row
from .processes import Process, Supervisor, free_port
from .proxy import Network

START_S = 30
DRAIN_S = 120
STOP_S = 20


class Trouble(Exception):
    """The harness itself cannot go on."""


class Tools:
    """Where the programs under test are."""

    def __init__(self, programs, plugin, sanitize=""):
        self.programs, self.plugin, self.sanitize = programs, plugin, sanitize
        library = os.path.join(os.path.dirname(plugin), "ph-chaos-faulty.so")
        self.faulty = library if os.path.exists(library) else None
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        self.mosquitto = os.environ.get("MOSQUITTO") or shutil.which("mosquitto", path=path)

    def program(self, name):
        return os.path.join(self.programs, name)

    def run(self, name, *arguments):
        result = subprocess.run([self.program(name), *arguments], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Trouble(f"{name} {' '.join(arguments)}: status {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def broker_env(self):
        """A plugin that was built with a sanitizer needs its library in the broker from the start."""
        if not self.sanitize:
            return {}
        listing = subprocess.run(["ldd", self.plugin], capture_output=True, text=True, check=True).stdout
        libraries = [line.split()[2] for line in listing.splitlines() if "libasan" in line]
        return {"LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": "detect_leaks=0"}

    def client_env(self):
        """What the address sanitizer must not hold against our programs."""
        if not self.sanitize:
            return {}
        known = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "asan.supp")
        return {"ASAN_OPTIONS": f"suppressions={known}"}


class Bench:
    """What the real stack and the control have in common: processes, network, fault pages, steps."""

    def __init__(self, work, tools):
        self.work, self.tools = work, tools
        self.supervisor = Supervisor()
        self.network = Network()
        self.pages = {}  # process name -> FaultPage
        self.library = None
        if tools.faulty:
            self.library = os.path.join(work, "faulty.so")  # where the database's user can read it
            shutil.copy(tools.faulty, self.library)
            os.chmod(self.library, 0o755)
        for folder in ("log", "pages"):
            os.makedirs(os.path.join(work, folder))

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def log(self, name):
        return self.path("log", name + ".log")

    def page_env(self, name, under):
        """Makes the process's page; its files below `under` can be made to fail."""
        if self.library is None:
            return {}
        page = FaultPage(self.path("pages", name), self.library, under)
        self.pages[name] = page
        return page.env()

    def kills(self):
        total = collections.Counter()
        for process in self.supervisor.processes.values():
            total[process.kind] += process.kills
        return total

    def apply(self, step):
        action, arguments = step[1], step[2:]
        getattr(self, "do_" + action)(*arguments)

    def do_kill(self, name):
        self.supervisor.kill(name)

    def do_start(self, name):
        self.supervisor.want(name)

    def do_terminate(self, name):
        self.supervisor.terminate(name)

    def do_stop(self, name):
        self.supervisor.processes[name].signal(signal.SIGSTOP)

    def do_continue(self, name):
        self.supervisor.processes[name].signal(signal.SIGCONT)

    def do_disk(self, name, *trouble):
        self.pages[name].disk(*trouble)

    def do_clock(self, name, shift_ms):
        self.pages[name].clock(shift_ms)

    def do_net(self, name, mode, delay_s=0.0):
        route = self.network.routes[name]
        route.clear()
        route.silent, route.refusing, route.delay_s = mode == "silent", mode == "refusing", delay_s

    def do_cut(self, name):
        self.network.routes[name].cut()

    def do_forget(self):
        shutil.rmtree(self.path("broker", "kept"), ignore_errors=True)
        os.makedirs(self.path("broker", "kept"))

    def heal(self):
        """Ends whatever fault is on, and starts what is down."""
        for page in self.pages.values():
            page.clear()
        for route in self.network.routes.values():
            route.clear()
        for process in self.supervisor.processes.values():
            process.signal(signal.SIGCONT)
            self.supervisor.want(process.name)

    def wait_until(self, what, condition, seconds=START_S):
        if not self.supervisor.wait(seconds, condition):
            ended = ", ".join(sorted({f"{name} ended" for name, _ in self.supervisor.by_itself}))
            raise Trouble(f"{what} did not happen within {seconds} s ({ended or 'all is running'})")

    def end(self, names, seconds):
        """SIGTERM, and what it takes; returns those that did not end by themselves."""
        running = [name for name in names if self.supervisor.is_running(name)]
        for name in names:  # a second signal would end at once one that a fault has told to end
            if not self.supervisor.processes[name].asked or not self.supervisor.is_running(name):
                self.supervisor.terminate(name)
        self.supervisor.wait(seconds, lambda: not any(map(self.supervisor.is_running, running)))
        return [name for name in running if self.supervisor.is_running(name)]


class Stack(Bench):
    recover_s = 90  # longer is a failure by itself
    must_recover = True

    def __init__(self, work, tools, store, devices, interval_ms, seed, carried=True):
        super().__init__(work, tools)
        self.store_name = store
        self.seed, self.interval_ms = seed, interval_ms
        self.devices = [f"t-{number:04}" for number in range(1, devices + 1)]
        self.carried = self.devices[-1] if carried else None
        self.ports = {name: free_port() for name in ("broker", "devices", "ingest")}
        self.store = self.path("ingest", "store", "readings.db")
        self.database = None
        if store == "postgresql":
            self.ports["server"], self.ports["database"] = free_port(), free_port()
            self.database = postgres.Server(self.path("postgres"), self.ports["server"], self.ports["database"])
            self.store = self.database.uri
        self.through = {}  # (device, stream) -> acknowledged
        self.heard = b""  # of the relay, not yet a line
        self.supervisor.on_turn.append(self.listen)

    # ---- made and started --------------------------------------------------------------------------

    def make(self):
        write_configuration(self)
        if self.database:
            self.database.make()
        self.add_processes()
        for name in ("devices", "ingest"):
            self.network.add(name, self.ports[name], self.ports["broker"])
        if self.database:
            self.network.add("database", self.ports["database"], self.ports["server"])

    def add_processes(self):
        add, tools = self.supervisor.add, self.tools
        if self.database:
            add(self.database.process(self.log("database"), self.page_env("database", self.database.data)))
        env = {**self.page_env("broker", self.path("broker", "kept")), **tools.broker_env()}
        add(Process("broker", "broker", [tools.mosquitto, "-c", self.path("mosquitto.conf")], self.log("broker"), env))
        ingest = [tools.program("ph-ingest"), "run", "--config", self.path("ingest.yaml")]
        add(Process("ingest", "ingest", ingest, self.log("ingest"),
                    {**self.page_env("ingest", self.path("ingest", "store")), **tools.client_env()}))
        relay = [tools.program("ph-chaos-relay"), "--certs", self.path("relay"), "--name", "acme/service/relay",
                 "--port", str(self.ports["broker"]), "--seed", str(self.seed)]
        add(Process("relay", "relay", relay, self.log("relay"), tools.client_env(), pipes=True))
        for name in self.devices:
            thermostat = [tools.program("ph-thermostat"), "run", "--config", self.path("devices", name, "device.yaml"),
                          "--ledger", self.ledger(name)]
            add(Process(name, "device", thermostat, self.log(name),
                        {**self.page_env(name, self.path("devices", name, "spool")), **tools.client_env()}))

    def start(self):
        self.network.start()
        if self.database:
            self.supervisor.want("database")
            self.wait_until("the start of the database", self.database.is_ready)
        for name in self.supervisor.processes:
            self.supervisor.want(name)
        self.wait_until("a first acknowledgement for every device",
                        lambda: {device for device, _ in self.through} == set(self.devices))

    # ---- what the harness sees ---------------------------------------------------------------------

    def listen(self):
        """Takes what the relay says of acknowledgements."""
        relay = self.supervisor.processes.get("relay")
        if relay is None or relay.output is None:
            self.heard = b""
            return
        try:
            self.heard += os.read(relay.output, 65536)
        except BlockingIOError:
            return
        *lines, self.heard = self.heard.split(b"\n")
        for line in lines:
            _, device, stream, through = line.decode().split()
            self.acknowledged(device.rsplit("/", 1)[1], stream, int(through))

    def acknowledged(self, device, stream, through):
        self.through[device, stream] = max(through, self.through.get((device, stream), 0))

    def do_repeat(self, count):
        relay = self.supervisor.processes["relay"]
        if relay.input is not None:
            try:
                os.write(relay.input, b"repeat %d\n" % count)
            except BrokenPipeError:
                pass  # it is being started again

    def mark(self):
        """Per device the newest reading that it has captured by now: (stream, seq)."""
        return {name: last_captured(self.ledger(name)) for name in self.devices}

    def standing(self, mark):
        """The devices for which that has not been acknowledged yet, with everything before it."""
        return [name for name, (stream, seq) in mark.items() if self.through.get((name, stream), 0) < seq]

    # ---- the end -----------------------------------------------------------------------------------

    def drain(self):
        """Lets everything arrive, and stops; returns what went wrong."""
        problems = [f"{name} still waits for acknowledgements {DRAIN_S} s after the last fault"
                    for name in self.end(self.devices, DRAIN_S)]
        waiting = self.waiting()
        if waiting:
            problems.append(f"{waiting} readings still wait in the spools")
        problems += [f"{name} does not end on SIGTERM" for name in self.end(["ingest", "relay", "broker"], STOP_S)]
        if self.database and not self.supervisor.wait(DRAIN_S, self.database.is_ready):  # the queries want it
            problems.append(f"the database does not answer {DRAIN_S} s after the last fault")
        return problems

    def waiting(self):
        total = 0
        for name in self.devices:
            text = self.tools.run("ph-thermostat", "spool", "--format", "json", self.path("devices", name, "spool", "spool.db"))
            total += sum(spool["pending"] for spool in json.loads(text))
        return total

    def check(self):
        """What ph-ingest check says is wrong."""
        command = [self.tools.program("ph-ingest"), "check", "--store", self.store]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return [] if result.returncode == 0 else [f"ph-ingest check: {result.stdout.strip()} {result.stderr.strip()}"]

    def finish(self):
        """After the last query."""
        self.end(["database"] if self.database else [], STOP_S)
        self.network.stop()

    def ledger(self, name):
        return self.path("devices", name, "ledger")

    def stored(self, name):
        """The rows of a device."""
        text = self.tools.run("ph-ingest", "query", "--store", self.store, "--format", "json", "--limit", "0",
                              "--device", f"acme/thermostat/{name}")
        return [row_of(row) for row in json.loads(text)]


FIELDS = ("temperature_c", "setpoint_c", "humidity_pct", "hvac")
OF_THE_STORE = ("estimated", "arrival")  # timings of readings whose device did not know the time


def row_of(row):
    fields = {name: row[name] for name in FIELDS if row.get(name) is not None}
    stamp = None if row.get("timing") in OF_THE_STORE else time_of(row["time"])
    return Row(row["stream"], row["seq"], stamp, fields)


def time_of(text):
    """ "2026-11-22T19:02:16.123Z" in milliseconds since 1970."""
    seconds, milliseconds = text[:-1].split(".")
    return seconds_of(seconds) * 1000 + int(milliseconds)


@functools.lru_cache(maxsize=65536)
def seconds_of(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
