"""Processes under test: started, killed, stopped, started again; none outlives the harness."""

import ctypes
import os
import shutil
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
TURN_S = 0.005  # between two looks at the processes
RESTART_S = 0.1  # a service manager's pause before it starts again what has ended by itself
BUG_SIGNALS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP}


def adopt_orphans():
    """What the processes under test leave behind becomes our child, so that it can be ended."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parents():
    """Process id -> its parent's, of every process there is."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    found[int(entry)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                pass  # it has ended meanwhile
    return found


def descendants(pid):
    """Every process below, parents first."""
    of_parent = {}
    for child, parent in parents().items():
        of_parent.setdefault(parent, []).append(child)
    below, open_ends = [], [pid]
    while open_ends:
        children = of_parent.get(open_ends.pop(0), [])
        below += children
        open_ends += children
    return below


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def end_everything():
    """Kills whatever still runs below the harness."""
    for _ in range(100):
        below = descendants(os.getpid())
        for pid in below:
            send(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def free_port():
    """A TCP port of the loopback that nothing listens on, below the kernel's range for clients."""
    import random
    import socket

    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Process:
    """One program, with all lives that it has in a run."""

    def __init__(self, name, kind, argv, log, env=None, user=None, whole_tree=False, pipes=False):
        self.name, self.kind, self.argv, self.log = name, kind, argv, log
        self.env = {**os.environ, **(env or {})}
        self.user = user
        self.end_signal = signal.SIGTERM
        self.whole_tree = whole_tree  # its children are killed and stopped with it
        self.pipes = pipes
        self.input = self.output = None  # descriptors, with `pipes`
        self.pid = None
        self.wanted = False  # it shall run: when it ends it is started again
        self.asked = False  # we have ended it
        self.start_at = 0.0
        self.kills = 0
        self.status = None  # of its last end, as subprocess has it: negative for a signal

    def command(self):
        """Ends with the harness, however that ends."""
        wrapper = [shutil.which("setpriv"), "--pdeathsig", "KILL"]
        if self.user:
            wrapper += [f"--reuid={self.user}", "--regid=" + group_of(self.user), "--clear-groups"]
        return wrapper + ["--"] + self.argv

    def start(self):
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        stdin, stdout, ours = null, log, []
        if self.pipes:
            stdin, self.input = os.pipe()
            self.output, stdout = os.pipe()
            os.set_blocking(self.output, False)
            ours = [stdin, stdout]
        command = self.command()
        actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
        self.pid = os.posix_spawn(command[0], command, self.env, file_actions=actions, setpgroup=0)
        for descriptor in [log, null] + ours:
            os.close(descriptor)
        self.asked = False

    def close_pipes(self):
        for descriptor in (self.input, self.output):
            if descriptor is not None:
                os.close(descriptor)
        self.input = self.output = None

    def signal(self, number):
        """To the process and, where they belong to it, its children."""
        if self.pid is not None:
            for pid in [self.pid] + (descendants(self.pid) if self.whole_tree else []):
                send(pid, number)


def group_of(user):
    import grp
    import pwd

    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


class Supervisor:
    """Starts again what has ended, as a service manager would, and notes what ended by itself."""

    def __init__(self):
        self.processes = {}
        self.by_itself = []  # (name, status)
        self.on_turn = []  # called at every turn

    def add(self, process):
        self.processes[process.name] = process
        return process

    def want(self, name):
        """Starts it now, or as soon as it has ended when it is being ended."""
        process = self.processes[name]
        process.wanted, process.start_at = True, 0.0
        self.turn()

    def kill(self, name):
        """kill -9, and it stays down until it is wanted again."""
        process = self.processes[name]
        process.wanted = False
        if process.pid is None:
            return
        process.asked = True
        process.kills += 1
        process.signal(signal.SIGKILL)
        self.turn()

    def terminate(self, name):
        process = self.processes[name]
        process.wanted, process.asked = False, True
        if process.pid is not None:
            send(process.pid, process.end_signal)

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for process in self.processes.values():
                if process.pid == pid:
                    self.ended(process, os.waitstatus_to_exitcode(status))

    def ended(self, process, status):
        process.pid, process.status = None, status
        process.close_pipes()
        if not process.asked:
            self.by_itself.append((process.name, status))
            process.start_at = time.monotonic() + RESTART_S

    def turn(self):
        self.reap()
        now = time.monotonic()
        for process in self.processes.values():
            if process.wanted and process.pid is None and now >= process.start_at:
                process.start()
        for callback in self.on_turn:
            callback()

    def sleep(self, seconds):
        self.wait(seconds, lambda: False)

    def wait(self, seconds, condition):
        """Until the condition holds; false when the time is over before."""
        deadline = time.monotonic() + seconds
        while True:
            self.turn()
            if condition():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(TURN_S, left))

    def is_running(self, name):
        return self.processes[name].pid is not None

    def bugs(self):
        """Ends that no fault excuses: a crash, or a sanitizer's complaint (status 1). Not of the database server,
        which takes a broken disk for a reason to end."""
        return [f"{name} ended with {describe(status)}" for name, status in self.by_itself
                if self.processes[name].kind != "database" and (status == 1 or -status in BUG_SIGNALS)]


def describe(status):
    return f"status {status}" if status >= 0 else signal.Signals(-status).name
