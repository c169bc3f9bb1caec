#!/usr/bin/env python3
"""The socket of a service manager: listen.py SOCKET prints each line that a service says, behind the
milliseconds of a clock that never goes back. SOCKET is a path, or @ and the name of an abstract one."""
import socket
import sys
import time


def main():
    where = sys.argv[1]
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind("\0" + where[1:] if where.startswith("@") else where)
    print("0 LISTENING", flush=True)
    while True:
        text = manager.recv(4096).decode()
        for line in text.splitlines():
            print(int(time.monotonic() * 1000), line, flush=True)


main()
