"""The network between the processes: TCP routes that can delay, fall silent, refuse and cut.

All routes live in one thread. What the harness says of a route takes effect at its next turn."""

import collections
import selectors
import socket
import struct
import threading
import time

CHUNK = 65536
BUFFER_MAX = 1 << 20  # of one direction; beyond it the sender is not read from
TURN_S = 0.05
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class Pump:
    """One direction of a connection."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.chunks = collections.deque()  # (due, bytes)
        self.size = 0
        self.ended = False  # the source sends no more


class Connection:
    def __init__(self, route, client, server):
        self.route, self.client, self.server = route, client, server
        self.connected = False  # the server has answered
        self.pumps = (Pump(client, server), Pump(server, client))


class Route:
    """Clients of `port` reach `target`."""

    def __init__(self, name, port, target):
        self.name, self.port, self.target = name, port, target
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.listener.setblocking(False)
        self.silent = False  # nothing passes, nothing is closed, nothing is answered
        self.refusing = False  # connections are closed as they come
        self.delay_s = 0.0
        self.cut_wanted = 0
        self.cut_done = 0
        self.connections = set()

    def clear(self):
        self.silent, self.refusing, self.delay_s = False, False, 0.0

    def cut(self):
        """Closes every connection with a reset, at the next turn."""
        self.cut_wanted += 1


class Network:
    def __init__(self):
        self.routes = {}
        self.stopping = False
        self.thread = threading.Thread(target=self.serve, name="network", daemon=True)

    def add(self, name, port, target):
        self.routes[name] = Route(name, port, target)
        return self.routes[name]

    def start(self):
        self.thread.start()

    def stop(self):
        self.stopping = True
        if self.thread.is_alive():
            self.thread.join()
        for route in self.routes.values():
            for connection in list(route.connections):
                self.close(connection)
            route.listener.close()

    def serve(self):
        while not self.stopping:
            interest = self.interest()
            wait = self.next_due()
            if interest:
                self.wait_for(interest, wait)
            else:
                time.sleep(wait)
            for route in self.routes.values():
                self.turn(route)

    def wait_for(self, interest, wait):
        selector = selectors.DefaultSelector()
        for sock, events in interest.items():
            selector.register(sock, events)
        selector.select(wait)
        selector.close()

    def interest(self):
        """Which sockets are worth waking up for."""
        wanted = {}
        now = time.monotonic()
        for route in self.routes.values():
            if route.silent:
                continue
            wanted[route.listener] = selectors.EVENT_READ
            for connection in route.connections:
                if not connection.connected:
                    wanted[connection.server] = selectors.EVENT_WRITE
                    continue
                for pump in connection.pumps:
                    if not pump.ended and pump.size < BUFFER_MAX:
                        wanted[pump.source] = wanted.get(pump.source, 0) | selectors.EVENT_READ
                    if pump.chunks and pump.chunks[0][0] <= now:
                        wanted[pump.target] = wanted.get(pump.target, 0) | selectors.EVENT_WRITE
        return wanted

    def next_due(self):
        now = time.monotonic()
        wait = TURN_S
        for route in self.routes.values():
            for connection in route.connections:
                for pump in connection.pumps:
                    if pump.chunks and not route.silent:
                        wait = min(wait, max(0.0, pump.chunks[0][0] - now) or wait)
        return wait

    def turn(self, route):
        if route.cut_done != route.cut_wanted:
            route.cut_done = route.cut_wanted
            for connection in list(route.connections):
                self.close(connection, reset=True)
        if route.silent:
            return
        self.accept(route)
        for connection in list(route.connections):
            try:
                self.move(connection)
            except OSError:
                self.close(connection)

    def accept(self, route):
        while True:
            try:
                client, _ = route.listener.accept()
            except OSError:
                return
            if route.refusing:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
                continue
            server = socket.socket()
            for sock in (client, server):
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.connect_ex(("127.0.0.1", route.target))
            route.connections.add(Connection(route, client, server))

    def close(self, connection, reset=False):
        connection.route.connections.discard(connection)
        for sock in (connection.client, connection.server):
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.close()

    def is_connected(self, connection):
        if not connection.connected:
            error = connection.server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "connect")
            try:
                connection.server.getpeername()
                connection.connected = True
            except OSError:
                pass
        return connection.connected

    def move(self, connection):
        if not self.is_connected(connection):
            return
        for pump in connection.pumps:
            self.read(connection.route, pump)
            self.write(pump)
            if pump.ended and not pump.chunks:
                self.close(connection)
                return

    def read(self, route, pump):
        while not pump.ended and pump.size < BUFFER_MAX:
            try:
                data = pump.source.recv(CHUNK)
            except BlockingIOError:
                return
            if not data:
                pump.ended = True
                return
            pump.chunks.append((time.monotonic() + route.delay_s, data))
            pump.size += len(data)

    def write(self, pump):
        while pump.chunks and pump.chunks[0][0] <= time.monotonic():
            due, data = pump.chunks[0]
            try:
                sent = pump.target.send(data)
            except BlockingIOError:
                return
            pump.size -= sent
            if sent < len(data):
                pump.chunks[0] = (due, data[sent:])
                return
            pump.chunks.popleft()
