#!/usr/bin/env python3
"""What may answer where a broker is expected. Writes its port to a file and serves until it is ended.

    listener.py PORT-FILE MODE [CERTIFICATE KEY]

Without TLS: silent (takes everything, says nothing), close, reset, garbage, drip (a byte of a TLS record now and then),
records (a handshake that never gets beyond records that mean nothing, as fast as they go).
With TLS, behind the handshake: tls-silent, tls-close, tls-abort, tls-flood (bytes without end), tls-HEX (these bytes).
"""
import os
import socket
import ssl
import struct
import sys
import threading
import time

# RFC 8446, section 5: a change_cipher_spec is thrown away, wherever in the handshake it comes.
IGNORED_RECORD = bytes.fromhex("140303000101")


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def silent(connection):
    while connection.recv(4096):
        pass


def drip(connection):
    for byte in bytes.fromhex("160303200002001ffc0303") + bytes(10000):
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def endless(connection, piece):
    while True:
        connection.sendall(piece)


def serve_plain(connection, mode):
    if mode in ("silent", "drip"):
        globals()[mode](connection)
    connection.recv(4096)
    if mode == "reset":
        reset(connection)
    elif mode == "garbage":
        connection.sendall(bytes(range(255, 0, -1)) * 4)
    elif mode == "records":
        endless(connection, IGNORED_RECORD * 500)


def serve_tls(connection, mode, context):
    tls = context.wrap_socket(connection, server_side=True)
    what = mode[len("tls-"):]
    tls.recv(4096)
    if what == "silent":
        silent(tls)
    elif what == "abort":
        reset(tls)
    elif what == "flood":
        endless(tls, b"\x20\xff\x1f" + b"x" * 16000)
    elif what != "close":
        tls.sendall(bytes.fromhex(what))
        silent(tls)
    tls.close()


def serve(connection, mode, context):
    try:
        with connection:
            if context is not None:
                serve_tls(connection, mode, context)
            else:
                serve_plain(connection, mode)
    except OSError:  # whoever asked has gone
        pass


def main():
    port_file, mode = sys.argv[1:3]
    context = None
    if mode.startswith("tls-"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    with socket.create_server(("127.0.0.1", 0)) as server:
        with open(port_file + ".new", "w", encoding="ascii") as file:
            file.write(f"{server.getsockname()[1]}\n")
        os.rename(port_file + ".new", port_file)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection, mode, context), daemon=True).start()


main()
