#!/usr/bin/env python3
"""What bench/thermostats makes of the reports of its two fleets (ph-fleet --json): a line "VARIANT KEY VALUE"
for each figure, for bench.sh's record.

  thermostats.py FLEET.json OTHERS.json OFFSET_MS STORM_MS AFTER_MS BARE

OFFSET_MS: how much earlier the other fleet began. STORM_MS: when the act struck; AFTER_MS: until the next event. When the broker was killed
is in the report's notes."""
import json
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    columns = report["samples"]["columns"]
    report["rows"] = [dict(zip(columns, row)) for row in report["samples"]["rows"]]
    return report


def between(report, begin_ms, end_ms):
    return [row for row in report["rows"] if begin_ms <= row["at_ms"] < end_ms]


def killed_at(report):
    times = [note["at_ms"] for note in report["notes"] if note["text"].startswith("broker ")]
    if not times:
        sys.exit("no note says that the broker ended")
    return times[0]


def seconds_until(report, begin_ms, window_ms, holds):
    """From begin_ms until `holds` of every sample until the next event; 0 when it always did."""
    last = begin_ms
    for row in between(report, begin_ms, begin_ms + window_ms):
        if not holds(row):
            last = row["at_ms"] + 1000
    return (last - begin_ms) / 1000


def put(variant, key, value):
    print(variant, key, f"{value:.3f}")


def recovery(variant, report, begin_ms, window_ms):
    devices = report["scenario"]["devices"]
    put(variant, "reconnected_s", seconds_until(report, begin_ms, window_ms, lambda row: row["connected"] == devices))
    put(variant, "acknowledged_s", seconds_until(report, begin_ms, window_ms, lambda row: row["behind"] == 0))
    put(variant, "behind_most", max(row["behind"] for row in between(report, begin_ms, begin_ms + window_ms)))


def served(variant, report, begin_ms, end_ms):
    """The fleet outside: what it saw of acknowledgements in that time."""
    rows = between(report, begin_ms, end_ms)
    put(variant, "acks", rows[-1]["acknowledged"] - rows[0]["acknowledged"])
    put(variant, "p99_ms", max(row["ack_p99_us"] for row in rows) / 1000)
    put(variant, "max_ms", max(row["ack_max_us"] for row in rows) / 1000)
    put(variant, "losses", rows[-1]["losses"] - rows[0]["losses"])


def main():
    fleet, others = read(sys.argv[1]), read(sys.argv[2])
    offset_ms, storm_ms, after_ms, bare = int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
    kill_ms = killed_at(fleet)
    devices = fleet["scenario"]["devices"]
    totals = fleet["totals"]
    if fleet["connected_all_ms"] is None:
        sys.exit(f"{totals['reached']} of {devices} devices were connected: {fleet['lacks']}")
    put("fleet", "connect_all_s", fleet["connected_all_ms"] / 1000)
    put("fleet", "connects_per_s", devices / (fleet["connected_all_ms"] / 1000))
    put("openssl", "connects_per_s", bare)
    steady = between(fleet, fleet["connected_all_ms"] + 30000, storm_ms)
    put("fleet", "steady_s", (steady[-1]["at_ms"] - steady[0]["at_ms"]) / 1000)
    put("fleet", "steady_readings", steady[-1]["acknowledged"] - steady[0]["acknowledged"])
    put("fleet", "steady_p50_ms", sorted(row["ack_p50_us"] for row in steady)[len(steady) // 2] / 1000)
    put("fleet", "steady_p99_ms", sorted(row["ack_p99_us"] for row in steady)[len(steady) // 2] / 1000)
    put("fleet", "steady_max_ms", max(row["ack_max_us"] for row in steady) / 1000)
    put("fleet", "steady_behind_most", max(row["behind"] for row in steady))
    for key in ("captured", "acknowledged", "dropped", "lost", "losses", "refusals",
                "theft_tried", "theft_refused", "theft_own", "theft_foreign"):
        put("fleet", key, totals[key])
    workers = [one for one in fleet["usage"] if one["name"].startswith("worker ")]
    put("fleet", "workers", len(workers))
    put("fleet", "kib_per_device", sum(one["rss_max_bytes"] for one in workers) / 1024 / devices)
    recovery("storm", fleet, storm_ms, after_ms)
    recovery("kill", fleet, kill_ms, after_ms - 1000)
    served("storm", others, storm_ms + offset_ms, storm_ms + offset_ms + min(60000, after_ms - 1000))
    put("others", "lost", others["totals"]["lost"] + others["totals"]["dropped"])
    put("others", "captured", others["totals"]["captured"])
    put("others", "acknowledged", others["totals"]["acknowledged"])


if __name__ == "__main__":
    main()
