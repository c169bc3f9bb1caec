"""The arithmetic of the comparisons, and the file that a comparison leaves behind.

figures.py median FILE FORMAT                       of a file of numbers, one a line
figures.py spread FILE FORMAT                       median (lowest to highest)
figures.py ratio FILE BASELINE-FILE MAX FORMAT      as a table shows it
figures.py json FOLDER MAX                          of a folder of bench/lib/figures.sh

A ratio is the median of the rounds' own ratios. Its 95 % confidence interval goes by ranks, whatever the
distribution. It is withheld when the interval is wider than MAX percent of it, or the rounds are too few for one.
"""

import json
import math
import os
import statistics
import sys

SCHEMA = 1
LEAST_ROUNDS = 6
NUMERIC = {"dirty", "seconds", "machine.cores", "machine.memory_kb"}


def numbers(path):
    with open(path, encoding="ascii") as file:
        return [float(line) for line in file if line.strip()]


def interval_of(values):
    """Of the median; the ranks of a binomial distribution, by its normal approximation."""
    values, count = sorted(values), len(values)
    low = max(1, int(count / 2 - 0.98 * math.sqrt(count)))
    return [values[low - 1], values[count - low]]


def ratio_of(ours, theirs, max_percent):
    """A dictionary; "ratio" is None when "withheld" says why."""
    result = {"ratio": None, "interval": None, "range": None, "rounds": 0, "withheld": None}
    if len(ours) != len(theirs):
        result["withheld"] = f"{len(ours)} rounds beside {len(theirs)}"
        return result
    ratios = [a / b for a, b in zip(ours, theirs) if b > 0]
    result["rounds"] = len(ratios)
    if ratios:
        result["range"] = [min(ratios), max(ratios)]
    if len(ratios) < LEAST_ROUNDS:
        result["withheld"] = f"{len(ratios)} rounds, want {LEAST_ROUNDS}"
        return result
    middle = statistics.median(ratios)
    result["interval"] = interval_of(ratios)
    width = result["interval"][1] - result["interval"][0]
    if width > max_percent / 100 * middle:
        result["withheld"] = f"the interval is wider than {max_percent:g} %"
    else:
        result["ratio"] = middle
    return result


def ratio_text(ratio, form):
    """As in the tables: an interval, or what range the rounds have, stands for a ratio withheld."""
    if ratio["ratio"] is not None:
        return f"{form % ratio['ratio']} ({form % ratio['interval'][0]} to {form % ratio['interval'][1]})"
    if ratio["interval"] is not None:
        return f"withheld: {form % ratio['interval'][0]} to {form % ratio['interval'][1]}"
    if ratio["range"] is not None and ratio["rounds"] > 0:
        few = f"withheld: {ratio['rounds']} round{'s' if ratio['rounds'] > 1 else ''}"
        return f"{few}, {form % ratio['range'][0]} to {form % ratio['range'][1]}"
    return f"withheld: {ratio['withheld']}"


def summary_of(values):
    return {
        "values": values,
        "median": statistics.median(values),
        "lowest": min(values),
        "highest": max(values),
    }


def values_of(folder, key):
    """{variant: values} of what was recorded under that key."""
    found = {}
    for name in sorted(os.listdir(folder)):
        variant, _, its_key = name.partition(".")
        if its_key == key and (values := numbers(os.path.join(folder, name))):
            found[variant] = values
    return found


def result_of(folder, line, max_percent):
    key, better, unit, baselines, ours = line.rstrip("\n").split("\t")
    values = values_of(os.path.join(folder, "values"), key)
    ours = ours.split(",") if ours else list(values)
    result = {
        "key": key,
        "unit": unit,
        "better": better,
        "variants": {variant: summary_of(its) for variant, its in values.items()},
        "ratios": [],
    }
    for baseline in baselines.split(",") if baselines else []:
        for variant in values if baseline in values else []:
            if variant != baseline:
                ratio = ratio_of(values[variant], values[baseline], max_percent)
                ratio = {"variant": variant, "baseline": baseline, "ours": variant in ours} | ratio
                result["ratios"].append(ratio)
    return result


def pairs(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t", 1) for line in file]


def nested(facts):
    """{"load.before": "1"} becomes {"load": {"before": 1}}; what else is a number by nature becomes one too."""
    tree = {}
    for path, text in facts:
        *folders, name = path.split(".")
        branch = tree
        for folder in folders:
            branch = branch.setdefault(folder, {})
        numeric = path in NUMERIC or folders == ["load"] or (folders == ["options"] and text.isdecimal())
        branch[name] = json.loads(text) if numeric else text
    return tree


def whole(folder, max_percent):
    document = {"schema": SCHEMA} | nested(pairs(os.path.join(folder, "facts")))
    document["rule"] = {"least_rounds": LEAST_ROUNDS, "max_interval_percent": max_percent, "confidence": 0.95}
    with open(os.path.join(folder, "results"), encoding="utf-8") as file:
        document["results"] = [result_of(folder, line, max_percent) for line in file]
    counts = [len(v["values"]) for r in document["results"] for v in r["variants"].values()]
    document["rounds"] = max(counts, default=0)
    document["missing"] = dict(pairs(os.path.join(folder, "missing")))
    return document


def main(command, *rest):
    if command == "median":
        print(rest[1] % statistics.median(numbers(rest[0])), end="")
    elif command == "spread":
        values = numbers(rest[0])
        shown = [rest[1] % value for value in (statistics.median(values), min(values), max(values))]
        print(f"{shown[0]} ({shown[1]} to {shown[2]})", end="")
    elif command == "ratio":
        print(ratio_text(ratio_of(numbers(rest[0]), numbers(rest[1]), float(rest[2])), rest[3]), end="")
    elif command == "json":
        print(json.dumps(whole(rest[0], float(rest[1])), indent=1))
    else:
        sys.exit(f"figures.py: {command}: want median, spread, ratio or json")


if __name__ == "__main__":
    main(*sys.argv[1:])
