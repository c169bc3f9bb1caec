"""One round: a stack is made, faults happen to it, everything drains, and the oracle judges."""

import collections
import errno
import time

from . import schedule
from .ledger import Ledger
from .oracle import Verdict, compare

CALM_S = 0.3  # before the first fault


class Result:
    def __init__(self, seed, store):
        self.seed, self.store = seed, store
        self.trials = 0
        self.drawn = collections.Counter()  # fault -> trials
        self.kills = collections.Counter()  # kind of process -> kills
        self.verdict = Verdict()
        self.recovery_s, self.worst = 0.0, "none"
        self.problems = []
        self.failed_calls = self.delayed_calls = 0

    def is_good(self):
        return not self.problems and self.verdict.is_clean()


class Round:
    """`limit`: a function of the number of trials so far that says whether there shall be another."""

    def __init__(self, bench, world, faults, seed, limit, say):
        self.bench, self.world, self.faults, self.limit, self.say = bench, world, faults, limit, say
        self.result = Result(seed, bench.store_name)

    def run(self):
        self.bench.make()
        self.bench.start()
        self.bench.supervisor.sleep(CALM_S)
        while self.limit(self.result.trials) and self.trial(self.result.trials + 1):
            pass
        self.say("the last fault is over")
        self.bench.heal()
        self.result.problems += self.bench.drain()
        self.judge()
        return self.result

    def trial(self, number):
        """False when the stack did not recover, and has to."""
        names, steps, pause = schedule.trial(self.result.seed, number, self.world, self.faults)
        self.result.trials = number
        self.result.drawn.update(names)
        what = f"trial {number} ({'+'.join(names)})"
        self.say(f"{what}: {' '.join(map(text_of, steps))}")
        self.carry_out(steps)
        took = self.recover(what)
        self.say(f"{what}: recovered after {took:.2f} s" if took is not None else f"{what}: no recovery")
        self.bench.supervisor.sleep(pause)
        return took is not None or not self.bench.must_recover

    def carry_out(self, steps):
        began = time.monotonic()
        for step in steps:
            self.bench.supervisor.sleep(max(0.0, began + step[0] - time.monotonic()))
            self.bench.apply(step)

    def recover(self, what):
        """How long it takes until everything is acknowledged that was captured before the fault was over; None:
        too long."""
        mark, began = self.bench.mark(), time.monotonic()
        if not self.bench.supervisor.wait(self.bench.recover_s, lambda: not self.bench.standing(mark)):
            if self.bench.must_recover:
                self.result.problems.append(f"{what}: {', '.join(self.bench.standing(mark))} not acknowledged "
                                            f"{self.bench.recover_s} s after its end")
            return None
        took = time.monotonic() - began
        if took > self.result.recovery_s:
            self.result.recovery_s, self.result.worst = took, what
        return took

    def judge(self):
        result, bench = self.result, self.bench
        result.kills = bench.kills()
        for name in bench.devices:
            compare(result.verdict, name, Ledger(bench.ledger(name)), bench.stored(name))
        result.problems += bench.check()
        result.failed_calls = sum(page.failed() for page in bench.pages.values())
        result.delayed_calls = sum(page.delayed() for page in bench.pages.values())
        if bench.must_recover:
            result.problems += bench.supervisor.bugs()
        if result.verdict.readings == 0:
            result.problems.append("nothing was captured: the run proves nothing")
        if result.drawn["full"] + result.drawn["eio"] > 4 and result.failed_calls == 0:
            result.problems.append("no call was made to fail: the faults of disks are not injected")
        bench.finish()


def text_of(step):
    words = [errno.errorcode.get(word, word) if step[1] == "disk" and position in (1, 2) else word
             for position, word in enumerate(step[2:])]
    return f"{step[0]:.3f}:" + ":".join([step[1]] + [f"{word:.3f}" if isinstance(word, float) else str(word) for word in words])
