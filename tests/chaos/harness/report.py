"""What a run prints: a row per round, and a table for docs/chaos.md."""

KINDS = ("device", "broker", "ingest", "database")
COLUMNS = ["seed", "store", "trials", *(f"{kind} kills" for kind in KINDS), "readings", "lost", "duplicated", "unexpected",
           "longest recovery"]


def numbers_of(result):
    verdict = result.verdict
    return [result.trials] + [result.kills[kind] for kind in KINDS] + [
        verdict.readings, verdict.lost + verdict.wrong, verdict.duplicated, verdict.unexpected]


def row(result):
    trials, device, broker, ingest, database, readings, lost, duplicated, unexpected = numbers_of(result)
    return (f"seed {result.seed} ({result.store}): {trials} trials, kills: device {device}, broker {broker}, "
            f"ingest {ingest}, database {database}; {readings} readings, {lost} lost, {duplicated} duplicated, "
            f"{unexpected} unexpected, longest recovery {result.recovery_s:.1f} s")


def details(result):
    faults = ", ".join(f"{name} {count}" for name, count in sorted(result.drawn.items()))
    lines = [f"  faults: {faults}; {result.failed_calls} calls failed, {result.delayed_calls} syncs delayed; "
             f"slowest: {result.worst}"]
    return lines + [f"  {line}" for line in result.problems + result.verdict.examples]


def markdown(results):
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * 2 + "--:|" * (len(COLUMNS) - 2)]
    lines += [markdown_row([result.seed, result.store], result) for result in results]
    if len(results) > 1:
        lines.append(cells(["all", results[0].store] + sums(results) + [longest(results)]))
    return "\n".join(lines)


def markdown_row(head, result):
    return cells(head + numbers_of(result) + [f"{result.recovery_s:.1f} s"])


def cells(values):
    return "| " + " | ".join(map(str, values)) + " |"


def sums(results):
    return [sum(column) for column in zip(*map(numbers_of, results))]


def longest(results):
    return f"{max(result.recovery_s for result in results):.1f} s"


def total(results):
    """One line for all rounds."""
    trials, device, broker, ingest, database, readings, lost, duplicated, unexpected = sums(results)
    return (f"all {len(results)} rounds: {trials} trials, kills: device {device}, broker {broker}, ingest {ingest}, "
            f"database {database}; {readings} readings, {lost} lost, {duplicated} duplicated, "
            f"{unexpected} unexpected, longest recovery {longest(results)}")
