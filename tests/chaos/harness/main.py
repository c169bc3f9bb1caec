"""The command line of tests/chaos/run."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from . import postgres, report, schedule
from .configuration import SOURCE
from .control import Control
from .processes import end_everything
from .round import Round
from .stack import Stack, Tools, Trouble

ROUND_S = 600  # a long run is made of rounds, each with a stack and a seed of its own
EX_USAGE, EX_UNAVAILABLE, EX_SOFTWARE = 64, 69, 70  # docs/spec/exit-codes.md
TARGETS = ["ph-ca", "ph-ingest", "ph-thermostat", "mosquitto_phonehome", "ph-chaos-relay", "ph-chaos-faulty",
           "ph-chaos-publisher"]


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"chaos: {message}; see tests/chaos/run --help", file=sys.stderr)
        sys.exit(EX_USAGE)


def parse(arguments):
    parser = Parser(prog="tests/chaos/run", allow_abbrev=False, description=(
        "Starts mosquitto with the plugin, ph-ingest, thermostats and, when asked, PostgreSQL; injects faults by a "
        "seed; lets everything drain; and compares what the devices captured with what is stored. Exit status 0: "
        "nothing lost, nothing twice, nothing unexpected; 1: something was. See docs/chaos.md."))
    parser.add_argument("--seed", type=int, help="of everything random (default: drawn, and printed)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--trials", type=int, help="a trial is one fault, or two at once, and the recovery")
    length.add_argument("--seconds", type=float, help="so many seconds of faults")
    length.add_argument("--minutes", type=float, help="so many minutes of faults (default 2)")
    length.add_argument("--hours", type=float, help="so many hours, in rounds of ten minutes")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--devices", type=int, default=6, help="thermostats (default 6)")
    parser.add_argument("--interval-ms", type=int, default=40, help="between two readings of one (default 40)")
    parser.add_argument("--faults", default=",".join(schedule.FAULTS), help="default: %(default)s")
    parser.add_argument("--control", action="store_true",
                        help="the same faults for a stack without spool and acknowledgement, which has to lose")
    parser.add_argument("--markdown", action="store_true", help="print a table at the end")
    parser.add_argument("--verbose", action="store_true", help="print every step of every trial")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a good run, too")
    options = parser.parse_args(arguments)
    options.faults = options.faults.split(",")
    unknown = [name for name in options.faults if name not in schedule.FAULTS]
    if unknown:
        parser.error(f"--faults: {unknown[0]}: want of {', '.join(schedule.FAULTS)}")
    for name in ("trials", "seconds", "minutes", "hours", "devices", "interval_ms"):
        if getattr(options, name) is not None and getattr(options, name) <= 0:
            parser.error(f"--{name.replace('_', '-')}: want more than 0")
    return options


def build():
    """Tests bring their build in PH_BIN and PH_PLUGIN; otherwise it is made in build/chaos."""
    if os.environ.get("PH_BIN") and os.environ.get("PH_PLUGIN"):
        return Tools(os.environ["PH_BIN"], os.environ["PH_PLUGIN"], os.environ.get("PH_SANITIZE", ""))
    folder = os.path.join(SOURCE, "build", "chaos")
    print(f"chaos: building in {folder}", flush=True)
    subprocess.run([os.path.join(SOURCE, "tools", "install-packages"), "test"], check=True)
    for command in (["cmake", "--preset", "release", "-B", folder, "-DPH_DEV=ON"],
                    ["cmake", "--build", folder, "--target"] + TARGETS):
        subprocess.run(command, check=True, cwd=SOURCE, stdout=subprocess.DEVNULL)
    return Tools(os.path.join(folder, "bin"), os.path.join(folder, "lib", "mosquitto_phonehome.so"))


def rounds(options):
    """For each round whether there shall be a trial after so many."""
    if options.trials:
        return [lambda trials: trials < options.trials]
    seconds = options.seconds or 60 * (options.minutes or 60 * (options.hours or 2 / 60))
    count = max(1, round(seconds / ROUND_S)) if options.hours else 1
    return [Limit(seconds / count) for _ in range(count)]


class Limit:
    """Says yes for so many seconds from the first question."""

    def __init__(self, seconds):
        self.seconds, self.until = seconds, None

    def __call__(self, trials):
        if self.until is None:
            self.until = time.monotonic() + self.seconds
        return time.monotonic() < self.until


def make_bench(options, tools, work, seed):
    if options.control:
        return Control(work, tools, options.devices, options.interval_ms)
    return Stack(work, tools, options.store, options.devices, options.interval_ms, seed)


def world_of(options, bench):
    return schedule.World(bench.devices, options.store == "postgresql", bench.library is not None)


class Teller:
    """Writes what happens down, with the time, and says it when asked to."""

    def __init__(self, path, aloud):
        self.file = open(path, "w", encoding="utf-8")  # line by line, for whoever looks on
        self.aloud = aloud

    def __call__(self, text):
        line = f"{time.time():.3f} {text}"
        print(line, file=self.file, flush=True)
        if self.aloud:
            print(line, flush=True)


def is_good(options, result):
    """A control that loses nothing proves nothing."""
    return result.verdict.lost > 0 if options.control else result.is_good()


def run_round(options, tools, seed, limit):
    """One line and more; whether it was good. The folder of a round that was not is kept."""
    work = os.path.realpath(tempfile.mkdtemp(prefix="ph-chaos."))
    os.chmod(work, 0o711)  # the database's user passes through
    good = False
    try:
        bench = make_bench(options, tools, work, seed)
        say = Teller(os.path.join(work, "trials.log"), options.verbose)
        result = Round(bench, world_of(options, bench), options.faults, seed, limit, say).run()
        good = is_good(options, result)
        print("\n".join([report.row(result)] + report.details(result)), flush=True)
        return result, good
    finally:
        end_everything()
        if good and not options.keep:
            shutil.rmtree(work, ignore_errors=True)
        else:
            print(f"  kept: {work} (trials.log: what was done when; log/: what each process said)", flush=True)


def conclude(options, results, bad):
    if len(results) > 1:
        print(report.total(results))
    if options.markdown:
        print(report.markdown(results))
    if bad and options.control:
        print("chaos: the control lost nothing: so the harness proves nothing")
    elif bad:
        seeds = ", ".join(str(result.seed) for result in bad)
        print(f"chaos: FAILED, seed {seeds}")
    return 1 if bad else 0


def main(arguments):
    options = parse(arguments)
    if options.control and options.store != "sqlite":
        print("chaos: the control stores in SQLite; leave --store out", file=sys.stderr)
        return EX_USAGE
    if options.store == "postgresql" and postgres.binaries() is None:
        print("chaos: no PostgreSQL server; apt-get install postgresql", file=sys.stderr)
        return EX_UNAVAILABLE
    tools = build()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1, 1_000_000)
    print(f"chaos: seed {seed}, {options.devices} devices, {'control' if options.control else options.store}", flush=True)
    results, bad = [], []
    try:
        for number, limit in enumerate(rounds(options)):
            result, good = run_round(options, tools, seed + number, limit)
            results.append(result)
            bad += [] if good else [result]
    except Trouble as trouble:
        print(f"chaos: {trouble}", file=sys.stderr)
        return EX_SOFTWARE
    return conclude(options, results, bad)
