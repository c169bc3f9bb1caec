"""Ledger against store: what was lost, stored twice, changed, or never captured."""

from .ledger import fields_text

EXAMPLES = 5  # of each finding are told


class Verdict:
    def __init__(self):
        self.readings = self.stored = 0
        self.lost = self.duplicated = self.wrong = self.unexpected = 0
        self.examples = []
        self.told = {}

    def find(self, what, device, key, detail=""):
        setattr(self, what, getattr(self, what) + 1)
        self.told[what] = self.told.get(what, 0) + 1
        if self.told[what] <= EXAMPLES:
            stream, seq = key
            self.examples.append(f"{what}: {device} stream {stream} seq {seq}{detail}")

    def is_clean(self):
        return not (self.lost or self.duplicated or self.wrong or self.unexpected)


class Row:
    """A stored reading: time in ms, or None when the store made it up; fields as fields_text()."""

    __slots__ = ("stream", "seq", "time", "fields")

    def __init__(self, stream, seq, time, fields):
        self.stream, self.seq, self.time, self.fields = stream, seq, time, fields_text(fields)


def compare(verdict, device, ledger, rows):
    """Adds one device's readings to the verdict. Rows may come in any order."""
    seen = set()
    for row in rows:
        verdict.stored += 1
        key = (row.stream, row.seq)
        if key in seen:
            verdict.find("duplicated", device, key)
            continue
        seen.add(key)
        compare_row(verdict, device, ledger, key, row)
    verdict.readings += len(ledger.captured)
    for key in ledger.captured.keys() - seen:
        verdict.find("lost", device, key, f", captured at {ledger.captured[key][0]}")
    for key in ledger.twice:
        verdict.find("unexpected", device, key, ": the device gave this number out twice")


def compare_row(verdict, device, ledger, key, row):
    have = (row.time, row.fields)
    want = ledger.captured.get(key)
    if want is None and not ledger.consume(have):
        verdict.find("unexpected", device, key, f": {have}")
    elif want is not None and want != have:
        verdict.find("wrong", device, key, f": want {want}, have {have}")
