#!/usr/bin/env python3
"""The harness can see what it is there to see: [CHAIN-10] [CHAIN-11] [CHAIN-12] [CHAIN-13] [CHAIN-14]."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from harness import ledger, oracle, processes, proxy, schedule  # noqa: E402
from harness.faulty import FaultPage  # noqa: E402

STREAM = "9f2c1e4b7a3d5c60"


def captured(seq, time_ms, value):
    return f'captured {STREAM} {seq} {time_ms} {{"t":{time_ms},"x":{value}}}\n'


def intended(time_ms, value):
    return f'intend {time_ms} {{"t":{time_ms},"x":{value}}}\n'


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ph-chaos-test.")
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def path(self, name):
        return os.path.join(self.folder, name)


class OracleTest(Folder):
    """[CHAIN-10]"""

    def verdict(self, lines, rows):
        with open(self.path("ledger"), "w", encoding="utf-8") as file:
            file.write("".join(lines))
        verdict = oracle.Verdict()
        oracle.compare(verdict, "t-0001", ledger.Ledger(self.path("ledger")), rows)
        return verdict

    def counts(self, lines, rows):
        verdict = self.verdict(lines, rows)
        return verdict.lost, verdict.duplicated, verdict.wrong, verdict.unexpected

    ONE = [intended(1000, 1.5), captured(1, 1000, 1.5)]
    TWO = ONE + [intended(1040, 2.5), captured(2, 1040, 2.5)]

    @staticmethod
    def row(seq, time_ms, value, stream=STREAM):
        return oracle.Row(stream, seq, time_ms, {"x": value})

    def test_equal(self):
        verdict = self.verdict(self.TWO, [self.row(2, 1040, 2.5), self.row(1, 1000, 1.5)])
        self.assertTrue(verdict.is_clean())
        self.assertEqual((verdict.readings, verdict.stored), (2, 2))

    def test_lost(self):
        verdict = self.verdict(self.TWO, [self.row(1, 1000, 1.5)])
        self.assertEqual(verdict.lost, 1)
        self.assertEqual(verdict.examples, [f"lost: t-0001 stream {STREAM} seq 2, captured at 1040"])

    def test_duplicated(self):
        self.assertEqual(self.counts(self.ONE, [self.row(1, 1000, 1.5)] * 3), (0, 2, 0, 0))

    def test_wrong_time(self):
        self.assertEqual(self.counts(self.ONE, [self.row(1, 1001, 1.5)]), (0, 0, 1, 0))

    def test_wrong_field(self):
        self.assertEqual(self.counts(self.ONE, [self.row(1, 1000, 1.6)]), (0, 0, 1, 0))

    def test_never_captured(self):
        self.assertEqual(self.counts(self.ONE, [self.row(1, 1000, 1.5), self.row(2, 1040, 2.5)]), (0, 0, 0, 1))

    def test_another_stream(self):
        self.assertEqual(self.counts(self.ONE, [self.row(1, 1000, 1.5, "1" * 16)]), (1, 0, 0, 1))

    def test_killed_before_it_could_say_so(self):
        lines = self.ONE + [intended(1040, 2.5)]
        self.assertEqual(self.counts(lines, [self.row(1, 1000, 1.5), self.row(2, 1040, 2.5)]), (0, 0, 0, 0))
        self.assertEqual(self.counts(lines, [self.row(1, 1000, 1.5)]), (0, 0, 0, 0))
        twice = [self.row(1, 1000, 1.5), self.row(2, 1040, 2.5), self.row(3, 1040, 2.5)]
        self.assertEqual(self.counts(lines, twice), (0, 0, 0, 1))

    def test_number_given_out_twice(self):
        lines = self.ONE + [intended(1040, 2.5), captured(1, 1040, 2.5)]
        self.assertEqual(self.counts(lines, [self.row(1, 1040, 2.5)]), (0, 0, 0, 1))

    def test_torn_line(self):
        self.assertEqual(self.counts(self.ONE + [captured(2, 1040, 2.5)[:-4]], [self.row(1, 1000, 1.5)]), (0, 0, 0, 0))

    def test_device_without_time(self):
        lines = ['intend 77 {"up":77,"x":1}\n', f'captured {STREAM} 1 77 {{"up":77,"x":1}}\n']
        self.assertEqual(self.counts(lines, [self.row(1, None, 1)]), (0, 0, 0, 0))
        self.assertEqual(self.counts(lines, [self.row(1, 77, 1)]), (0, 0, 1, 0))

    def test_last_captured(self):
        self.verdict(self.TWO + [intended(1080, 3.5)], [])
        self.assertEqual(ledger.last_captured(self.path("ledger")), (STREAM, 2))


class ScheduleTest(unittest.TestCase):
    """[CHAIN-11]"""

    WORLD = schedule.World(["t-0001", "t-0002", "t-0003"], True, True)

    def trials(self, seed, world=WORLD, names=tuple(schedule.FAULTS), count=300):
        return [schedule.trial(seed, number, world, list(names)) for number in range(count)]

    def test_same_seed(self):
        self.assertEqual(self.trials(7), self.trials(7))
        self.assertNotEqual(self.trials(7), self.trials(8))

    def test_everything_is_drawn(self):
        drawn = {name for names, _, _ in self.trials(1) for name in names}
        self.assertEqual(drawn, set(schedule.FAULTS))
        killed = {step[2] for _, steps, _ in self.trials(1) for step in steps if step[1] == "kill"}
        self.assertEqual(killed, {"t-0001", "t-0002", "t-0003", "broker", "ingest", "database"})

    def test_whatever_begins_ends(self):
        for _, steps, _ in self.trials(2):
            last = {}
            for _, action, *arguments in sorted(steps, key=lambda step: step[0]):
                group = "run" if action in ("kill", "start", "terminate") else action.replace("continue", "stop")
                if arguments and action not in ("cut", "repeat"):
                    last[group, arguments[0]] = (action, *arguments[1:])
            for (group, _), end in last.items():
                calm = {"run": ("start",), "stop": ("continue",), "disk": ("disk", 0, 0, 0, 0), "clock": ("clock", 0),
                        "net": ("net", "open")}[group]
                self.assertEqual(end, calm)

    def test_without_fault_pages(self):
        world = schedule.World(["t-0001"], False, False)
        actions = {step[1] for _, steps, _ in self.trials(1, world) for step in steps}
        self.assertFalse(actions & {"disk", "clock"})


CHILD = r"""
import ctypes, errno, os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)
def attempt(what):
    try:
        return what()
    except OSError as error:
        return errno.errorcode[error.errno]
began = time.monotonic()
print(attempt(lambda: os.write(fd, b"x" * 100)), attempt(lambda: os.pwrite(fd, b"x" * 100, 0)),
      attempt(lambda: os.ftruncate(fd, 5000)), attempt(lambda: os.posix_fallocate(fd, 0, 9000)),
      attempt(lambda: os.fsync(fd)), attempt(lambda: os.fdatasync(fd)), int(time.time()), int(time.monotonic() - began >= 0.2))
"""


@unittest.skipIf(os.environ.get("PH_SANITIZE"), "a sanitizer wants the place in front of the C library for itself")
class FaultyTest(Folder):
    """[CHAIN-12]"""

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("under"))
        library = os.path.join(os.path.dirname(os.environ["PH_PLUGIN"]), "ph-chaos-faulty.so")
        self.page = FaultPage(self.path("page"), library, self.path("under"))

    def child(self, name="under/file"):
        result = subprocess.run([sys.executable, "-c", CHILD, self.path(name)], env={**os.environ, **self.page.env()},
                                capture_output=True, text=True, check=True)
        *results, stamp, slow = result.stdout.split()
        return results, int(stamp), slow == "1"

    def test_well(self):
        results, stamp, slow = self.child()
        self.assertEqual(results, ["100", "100", "None", "None", "None", "None"])
        self.assertLess(abs(stamp - time.time()), 10)
        self.assertFalse(slow)
        self.assertEqual(self.page.failed(), 0)

    def test_write_error(self):
        self.page.disk(write_errno=errno.EIO)
        self.assertEqual(self.child()[0], ["EIO"] * 4 + ["None"] * 2)
        self.assertEqual(self.page.failed(), 4)

    def test_full(self):
        self.page.disk(write_errno=errno.ENOSPC)
        for _ in range(8):
            first, second, *rest = self.child()[0]
            self.assertEqual(rest, ["ENOSPC"] * 2 + ["None"] * 2)
            for written in (first, second):
                self.assertTrue(written == "ENOSPC" or 0 < int(written) < 100, written)

    def test_full_tears_nothing(self):
        """What has its room on the disk is written whole or not at all."""
        self.page.disk(write_errno=errno.ENOSPC)
        for _ in range(8):
            with open(self.path("under/file"), "wb") as file:
                file.write(b"o" * 100)
            self.assertEqual(self.child()[0][:2], ["ENOSPC"] * 2)
            with open(self.path("under/file"), "rb") as file:
                self.assertEqual(file.read(), b"o" * 100)

    def test_sync_error(self):
        self.page.disk(sync_errno=errno.EIO)
        self.assertEqual(self.child()[0], ["100", "100", "None", "None", "EIO", "EIO"])

    def test_only_below(self):
        self.page.disk(write_errno=errno.EIO, sync_errno=errno.EIO, sync_delay_ms=200)
        results, _, slow = self.child("beside")
        self.assertEqual(results, ["100", "100", "None", "None", "None", "None"])
        self.assertFalse(slow)

    def test_some(self):
        self.page.disk(write_errno=errno.EIO, per_mille=500)
        results = [word for _ in range(10) for word in self.child()[0][:4]]
        self.assertTrue(0 < results.count("EIO") < 40, results)

    def test_slow(self):
        self.page.disk(sync_delay_ms=120)
        results, _, slow = self.child()
        self.assertEqual(results, ["100", "100", "None", "None", "None", "None"])
        self.assertTrue(slow)
        self.assertEqual(self.page.delayed(), 2)

    def test_clock(self):
        self.page.clock(-86_400_000)
        self.assertLess(abs(self.child()[1] + 86_400 - time.time()), 10)


class ProxyTest(unittest.TestCase):
    """[CHAIN-13]"""

    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.echo, daemon=True).start()
        self.network = proxy.Network()
        self.route = self.network.add("route", processes.free_port(), self.server.getsockname()[1])
        self.network.start()
        self.addCleanup(self.server.close)
        self.addCleanup(self.network.stop)

    def echo(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    @staticmethod
    def answer(client):
        with client:
            try:
                while data := client.recv(65536):
                    client.sendall(data)
            except OSError:
                pass

    def client(self):
        client = socket.create_connection(("127.0.0.1", self.route.port), timeout=5)
        self.addCleanup(client.close)
        return client

    def ask(self, client, data=b"hello"):
        client.sendall(data)
        answer = b""
        while len(answer) < len(data):
            more = client.recv(65536)
            if not more:
                break
            answer += more
        return answer

    def test_passes(self):
        data = os.urandom(3_000_000)
        client = self.client()
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        answer = b""
        while len(answer) < len(data):
            answer += client.recv(65536)
        sender.join()
        self.assertEqual(answer, data)

    def test_delay(self):
        client = self.client()
        self.ask(client)
        self.route.delay_s = 0.15
        began = time.monotonic()
        self.assertEqual(self.ask(client), b"hello")
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_silence(self):
        client = self.client()
        self.ask(client)
        self.route.silent = True
        time.sleep(0.1)
        client.sendall(b"x")
        client.settimeout(0.3)
        self.assertRaises(TimeoutError, client.recv, 1)
        self.route.clear()
        client.settimeout(5)
        self.assertEqual(client.recv(1), b"x")

    def test_cut(self):
        client = self.client()
        self.ask(client)
        self.route.cut()
        self.assertRaises(ConnectionResetError, client.recv, 1)
        self.assertEqual(self.ask(self.client()), b"hello")

    def test_refusing(self):
        self.route.refusing = True
        with self.assertRaises(OSError):
            client = self.client()
            if self.ask(client) == b"":
                raise ConnectionResetError
        self.route.clear()
        self.assertEqual(self.ask(self.client()), b"hello")


class ProcessTest(Folder):
    """[CHAIN-14]"""

    def setUp(self):
        super().setUp()
        self.supervisor = processes.Supervisor()
        self.addCleanup(self.end)

    def end(self):
        for process in self.supervisor.processes.values():
            process.signal(signal.SIGKILL)
        self.supervisor.sleep(0.1)

    def add(self, name, script, **options):
        process = processes.Process(name, "device", ["/bin/sh", "-c", script], self.path("log"), **options)
        self.supervisor.add(process)
        self.supervisor.want(name)
        return process

    def test_killed_and_wanted(self):
        process = self.add("a", "sleep 60")
        first = process.pid
        self.supervisor.kill("a")
        self.assertTrue(self.supervisor.wait(5, lambda: process.pid is None))
        self.assertEqual((process.status, process.kills, self.supervisor.by_itself), (-signal.SIGKILL, 1, []))
        self.supervisor.sleep(0.2)
        self.assertIsNone(process.pid)
        self.supervisor.want("a")
        self.assertNotIn(process.pid, (None, first))

    def test_started_again(self):
        process = self.add("a", "exit 3")
        self.assertTrue(self.supervisor.wait(5, lambda: len(self.supervisor.by_itself) >= 2))
        self.assertEqual((process.status, self.supervisor.by_itself[0], self.supervisor.bugs()), (3, ("a", 3), []))

    def test_crash(self):
        self.add("a", "kill -s SEGV $$")
        self.assertTrue(self.supervisor.wait(5, self.supervisor.bugs))
        self.assertEqual(self.supervisor.bugs()[0], "a ended with SIGSEGV")

    def test_whole_tree(self):
        process = self.add("a", "sleep 61 & sleep 62", whole_tree=True)
        self.assertTrue(self.supervisor.wait(5, lambda: len(processes.descendants(process.pid)) == 2))
        children = processes.descendants(process.pid)
        self.supervisor.kill("a")
        self.assertTrue(self.supervisor.wait(5, lambda: not any(pid in processes.parents() for pid in children)))


if __name__ == "__main__":
    processes.adopt_orphans()
    unittest.main(verbosity=1)
