"""The page through which a process is told what of its disk and clock shall fail (faulty.h)."""

import mmap
import os
import struct

MAGIC, VERSION = 0x50484641, 1
HEADER = struct.Struct("<II")
TROUBLE = struct.Struct("<iiII")  # write_errno, sync_errno, per_mille, sync_delay_ms
CLOCK = struct.Struct("<q")
COUNTERS = struct.Struct("<QQ")
TROUBLE_AT = HEADER.size
CLOCK_AT = TROUBLE_AT + TROUBLE.size
COUNTERS_AT = CLOCK_AT + CLOCK.size
SIZE = COUNTERS_AT + COUNTERS.size


class FaultPage:
    """What one process (and whatever it starts) is told."""

    def __init__(self, path, library, under):
        self.path, self.library, self.under = path, library, os.path.realpath(under)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        os.fchmod(descriptor, 0o666)  # the processes count in it, whoever they run as
        os.ftruncate(descriptor, SIZE)
        self.memory = mmap.mmap(descriptor, SIZE)
        os.close(descriptor)
        HEADER.pack_into(self.memory, 0, MAGIC, VERSION)

    def env(self):
        return {"LD_PRELOAD": self.library, "PH_FAULTY_PAGE": self.path, "PH_FAULTY_UNDER": self.under}

    def disk(self, write_errno=0, sync_errno=0, per_mille=1000, sync_delay_ms=0):
        TROUBLE.pack_into(self.memory, TROUBLE_AT, write_errno, sync_errno, per_mille, sync_delay_ms)

    def clock(self, shift_ms):
        CLOCK.pack_into(self.memory, CLOCK_AT, shift_ms)

    def clear(self):
        self.disk()
        self.clock(0)

    def failed(self):
        return COUNTERS.unpack_from(self.memory, COUNTERS_AT)[0]

    def delayed(self):
        return COUNTERS.unpack_from(self.memory, COUNTERS_AT)[1]
