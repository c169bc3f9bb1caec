"""Which fault happens when: trials drawn from a seed, each a list of steps with their times.

A step is (at, action, ...): `at` in seconds from the trial's beginning. Actions, carried out by the
stack: kill NAME, start NAME, terminate NAME, stop NAME, continue NAME, forget,
disk NAME write_errno sync_errno per_mille delay_ms, clock NAME shift_ms,
net ROUTE mode [seconds], cut ROUTE, repeat COUNT."""

import errno
import random

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
COMBINE = 0.25  # of the trials have two faults at once


class World:
    """What there is to break."""

    def __init__(self, devices, database, faulty):
        self.devices = devices  # names
        self.database = database  # there is a server
        self.faulty = faulty  # disks and clocks can be made to fail

    def kinds(self):
        return ["device", "broker", "ingest"] + (["database"] if self.database else [])

    def routes(self):
        return ["devices", "ingest"] + (["database"] if self.database else [])


def some_devices(rng, world):
    count = rng.choice([1, 1, rng.randint(1, len(world.devices)), len(world.devices)])
    return sorted(rng.sample(world.devices, count))


def names_of(rng, world, kind):
    return some_devices(rng, world) if kind == "device" else [kind]


def some_kinds(rng, world):
    """One kind of process, or any subset at once."""
    kinds = world.kinds()
    if rng.random() < 0.5:
        return [rng.choice(kinds)]
    return sorted(rng.sample(kinds, rng.randint(1, len(kinds))))


def subset(rng, world):
    return [name for kind in some_kinds(rng, world) for name in names_of(rng, world, kind)]


def disks(rng, world):
    """Whose disk: some devices', or the store's."""
    return names_of(rng, world, rng.choice(["device", "database" if world.database else "ingest"]))


def kill(rng, world):
    """kill -9 of any subset; some are killed again while they recover."""
    steps = []
    staggered = rng.random() < 0.5
    for name in subset(rng, world):
        at = rng.uniform(0, 0.3) if staggered else 0.0
        while True:
            up = at + rng.choice([0.0, rng.uniform(0, 0.4)])
            steps += [(at, "kill", name), (up, "start", name)]
            if rng.random() >= 0.25:
                break
            at = up + rng.uniform(0.002, 0.3)
    return steps


def restart(rng, world):
    """SIGTERM and a new start, of any subset: what was kept in files comes back."""
    return [step for name in subset(rng, world)
            for step in [(0.0, "terminate", name), (rng.uniform(0, 0.5), "start", name)]]


def stop(rng, world):
    """SIGSTOP and SIGCONT of any subset."""
    return [step for name in subset(rng, world)
            for step in [(0.0, "stop", name), (rng.uniform(0.05, 1.5), "continue", name)]]


def broken_disk(rng, world, write_errno, sync_errno):
    per_mille = rng.choice([1000, 1000, 500, 100])
    until = rng.uniform(0.1, 1.0)
    steps = []
    for name in disks(rng, world):
        steps += [(0.0, "disk", name, write_errno, sync_errno, per_mille, 0), (until, "disk", name, 0, 0, 0, 0)]
    return steps


def full(rng, world):
    """No space: writes take a part or nothing."""
    return broken_disk(rng, world, errno.ENOSPC, 0)


def eio(rng, world):
    """EIO on fsync, on write, or on both."""
    return broken_disk(rng, world, *rng.choice([(0, errno.EIO), (0, errno.EIO), (errno.EIO, 0), (errno.EIO, errno.EIO)]))


def slow(rng, world):
    """Every fsync takes long."""
    delay_ms = rng.randint(20, 400)
    until = rng.uniform(0.3, 1.5)
    return [step for name in disks(rng, world)
            for step in [(0.0, "disk", name, 0, 0, 0, delay_ms), (until, "disk", name, 0, 0, 0, 0)]]


def forget(rng, world):
    """The broker comes back without sessions, queues and retained messages."""
    return [(0.0, "kill", "broker"), (0.01, "forget"), (rng.uniform(0.02, 0.4), "start", "broker")]


def some_routes(rng, world):
    routes = world.routes()
    return sorted(rng.sample(routes, rng.choice([1, 1, rng.randint(1, len(routes))])))


def silence(rng, world):
    """Packets go nowhere for a while; connections live on, or are reset when it is over."""
    steps = []
    reset = rng.random() < 0.5
    for route in some_routes(rng, world):
        until = rng.uniform(0.1, 1.5)
        steps += [(0.0, "net", route, "silent")] + ([(until, "cut", route)] if reset else [])
        steps += [(until, "net", route, "open")]
    return steps


def partition(rng, world):
    """Connections break, and no new one is made."""
    steps = []
    for route in some_routes(rng, world):
        steps += [(0.0, "net", route, "refusing"), (0.0, "cut", route), (rng.uniform(0.1, 1.0), "net", route, "open")]
    return steps


def delay(rng, world):
    """Everything arrives late."""
    late, until = rng.uniform(0.02, 0.3), rng.uniform(0.5, 1.5)
    return [step for route in some_routes(rng, world)
            for step in [(0.0, "net", route, "delay", late), (until, "net", route, "open")]]


def storm(rng, world):
    """All clients lose their connections, several times, and connect again at once."""
    return [(index * rng.uniform(0.05, 0.3), "cut", route)
            for index in range(rng.randint(1, 4)) for route in world.routes()]


def clock(rng, world):
    """A clock jumps: a device's or ingest's by anything, the broker's within its certificates' time."""
    wide = rng.choice([2 * MINUTE, DAY, 20 * 365 * DAY])
    until = rng.uniform(0.2, 1.2)
    kind = rng.choice(world.kinds())
    shift = rng.randint(-3 * MINUTE, HOUR) if kind == "broker" else rng.randint(-wide, wide)
    return [step for name in names_of(rng, world, kind)
            for step in [(0.0, "clock", name, shift), (until, "clock", name, 0)]]


def repeat(rng, world):
    """Copies of old messages, in any order."""
    return [(0.0, "repeat", rng.randint(20, 300)), (rng.uniform(0.1, 0.8), "repeat", rng.randint(1, 100))]


# name -> (what it does, how often it is drawn, whether it needs processes with fault pages)
FAULTS = {
    "kill": (kill, 12, False),
    "restart": (restart, 1, False),
    "stop": (stop, 2, False),
    "full": (full, 2, True),
    "eio": (eio, 2, True),
    "slow": (slow, 1, True),
    "clock": (clock, 2, True),
    "forget": (forget, 1, False),
    "silence": (silence, 2, False),
    "partition": (partition, 1, False),
    "delay": (delay, 1, False),
    "storm": (storm, 1, False),
    "repeat": (repeat, 2, False),
}


def possible(world, names):
    return [name for name in names if world.faulty or not FAULTS[name][2]]


def overlap(names, rng, world):
    """The steps of all of them, in order of time."""
    steps = [step for name in names for step in FAULTS[name][0](rng, world)]
    return sorted(steps, key=lambda step: step[0])


def trial(seed, number, world, names):
    """Trial `number` of a seed: (names of its faults, steps, pause after it). The same for the same
    arguments, whatever happened before."""
    rng = random.Random(f"{seed}/{number}")
    candidates = possible(world, names)
    weights = [FAULTS[name][1] for name in candidates]
    drawn = rng.choices(candidates, weights, k=2 if rng.random() < COMBINE else 1)
    chosen = list(dict.fromkeys(drawn))
    return chosen, overlap(chosen, rng, world), rng.choice([0.0, rng.uniform(0, 0.4)])
