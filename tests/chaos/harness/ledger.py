"""What a device noted down before and after it captured each reading (ph-thermostat --ledger)."""

import json
import os


class Ledger:
    """captured: (stream, seq) -> reading; intended: the readings that were not said to be captured,
    and how often. A reading is (time, fields); a device that did not know the time has None there."""

    def __init__(self, path):
        self.captured = {}
        self.twice = []  # numbers that were given out twice
        self.intended = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):  # otherwise its writer was killed in the middle of it
                    self.take(line)

    def take(self, line):
        word, rest = line.split(" ", 1)
        if word == "intend":
            time, text = rest.split(" ", 1)
            reading = reading_of(time, text)
            self.intended[reading] = self.intended.get(reading, 0) + 1
        elif word == "captured":
            stream, seq, time, text = rest.split(" ", 3)
            self.take_captured((stream, int(seq)), reading_of(time, text))
        else:
            raise ValueError(f"a ledger's line begins with {word!r}")

    def take_captured(self, key, reading):
        if key in self.captured:
            self.twice.append(key)
        self.captured[key] = reading
        self.consume(reading)

    def consume(self, reading):
        """Whether it was intended, and not yet found."""
        left = self.intended.get(reading, 0)
        if left > 1:
            self.intended[reading] = left - 1
        elif left == 1:
            del self.intended[reading]
        return left > 0


def fields_text(fields):
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def reading_of(time, text):
    fields = json.loads(text)
    knew_time = "t" in fields
    if int(time) != fields.pop("t" if knew_time else "up"):
        raise ValueError(f"a ledger's line contradicts itself: {time} {text}")
    return (int(time) if knew_time else None), fields_text(fields)


TAIL = 8192  # bytes that hold at least one whole line of each sort


def last_captured(path):
    """(stream, seq) of the newest reading that was captured; ("", 0) when there is none."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        for line in reversed(file.read().split(b"\n")[1:-1]):
            if line.startswith(b"captured "):
                _, stream, seq, _ = line.split(b" ", 3)
                return stream.decode(), int(seq)
    return "", 0
