"""The load: one process, one thread, plain sockets and epoll, the same for every loop.

Run as `python -m workloads.client MODE HOST PORT SERVER_PID CONNECTIONS SIZE WARMUP SECONDS CORE`.
Every connection has one message under way. Prints a line of JSON: operations, wall seconds, the
server's CPU seconds over the same time, and the part of that time in which this client was busy.
"""

import json
import os
import resource
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable

BUFFER_BYTES = 256 * 1_024
STALL_SECONDS = 5.0
"""Silence after which the server counts as hung."""

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Address = tuple[str, int]


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class NoAnswerError(Exception):
    """The server closed, hung, or answered with something else."""


class Connection:
    """A connection with one request under way.

    `awaited` is how many bytes of the answer are still to come.
    """

    __slots__ = ("awaited", "recv_into", "sock", "unsent")

    def __init__(self, address: Address) -> None:
        self.sock = socket.create_connection(address, STALL_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.recv_into = self.sock.recv_into
        self.awaited = 0
        self.unsent = memoryview(b"")

    def exchange(self, request: bytes, answer_bytes: int) -> bytes:
        """Send `request`, wait for `answer_bytes` bytes of answer."""
        self.sock.sendall(request)
        answer = bytearray()
        while len(answer) < answer_bytes:
            part = self.sock.recv(answer_bytes - len(answer))
            if not part:
                raise NoAnswerError("the server closed the connection")
            answer += part
        return bytes(answer)

    def send(self, data: memoryview) -> None:
        """Send what goes without waiting and keep the rest in `unsent`."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        self.unsent = data[sent:]


class TlsConnection(Connection):
    """The same over TLS. The certificate is not looked at: that is the client's own work."""

    __slots__ = ()

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.sock = TLS.wrap_socket(self.sock)
        self.recv_into = self.sock.recv_into

    def send(self, data: memoryview) -> None:
        """Send what goes without waiting, record by record, and keep the rest in `unsent`."""
        try:
            while data:
                data = data[self.sock.send(data) :]
        except ssl.SSLWantWriteError:
            pass
        self.unsent = data


class Peer(Connection):
    """A UDP socket with one datagram under way."""

    __slots__ = ()

    def __init__(self, address: Address) -> None:
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.settimeout(STALL_SECONDS)
        self.sock.connect(address)
        self.recv_into = self.sock.recv_into
        self.awaited = 0
        self.unsent = memoryview(b"")


class Load:
    """Connections that each send the next request when the answer to the last one is whole."""

    def __init__(self, connections: list[Connection], request: bytes, answer_bytes: int) -> None:
        self.request = memoryview(request)
        self.answer_bytes = answer_bytes
        self.poller = select.epoll()
        self.connections = {connection.sock.fileno(): connection for connection in connections}
        for fd, connection in self.connections.items():
            connection.sock.setblocking(False)
            self.poller.register(fd, select.EPOLLIN)
            self.start(fd, connection)

    def start(self, fd: int, connection: Connection) -> None:
        connection.awaited = self.answer_bytes
        connection.send(self.request)
        if connection.unsent:
            self.poller.modify(fd, select.EPOLLIN | select.EPOLLOUT)

    def go_on(self, fd: int, connection: Connection) -> None:
        if connection.unsent:
            connection.send(connection.unsent)
        if not connection.unsent:
            self.poller.modify(fd, select.EPOLLIN)

    def run(self, seconds: float) -> int:
        """Keep the server busy for `seconds`; how many answers came."""
        answers = 0
        buffer = bytearray(BUFFER_BYTES)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            events = self.poller.poll(STALL_SECONDS)
            if not events:
                raise NoAnswerError(f"no answer for {STALL_SECONDS:.0f} s, after {answers} answers")
            for fd, mask in events:
                connection = self.connections[fd]
                if mask & select.EPOLLOUT:
                    self.go_on(fd, connection)
                if mask & ~select.EPOLLOUT:
                    try:
                        got = connection.recv_into(buffer)
                    except ssl.SSLWantReadError:
                        # A part of a record, or one that holds no data.
                        continue
                    if got == 0:
                        raise NoAnswerError("the server closed the connection")
                    connection.awaited -= got
                    if connection.awaited == 0:
                        answers += 1
                        self.start(fd, connection)
                    elif connection.awaited < 0:
                        raise NoAnswerError("the server sent more than was asked for")
        return answers


def echo(
    address: Address, connections: int, size: int, kind: type[Connection] = Connection
) -> Callable[[float], int]:
    """Open the connections, each checked by one message of its own, and give the load to run."""
    opened = []
    for number in range(connections):
        connection = kind(address)
        message = (number.to_bytes(4, "big") * (size // 4 + 1))[:size]
        if connection.exchange(message, size) != message:
            raise NoAnswerError(f"connection {number} got other bytes than it sent")
        opened.append(connection)
    return Load(opened, bytes(size), size).run


def udp(address: Address, connections: int, size: int) -> Callable[[float], int]:
    """The same with datagrams."""
    return echo(address, connections, size, Peer)


def sendfile(address: Address, connections: int, size: int) -> Callable[[float], int]:
    """Ask for the file of `size` bytes again and again."""
    return Load([Connection(address) for _ in range(connections)], b"x", size).run


def http(address: Address, connections: int, size: int) -> Callable[[float], int]:
    """Open the connections and learn from one answer how long all of them are."""
    opened = [Connection(address) for _ in range(connections)]
    opened[0].sock.sendall(GET)
    answer = b""
    while not answer.endswith(b"Hello, world!"):
        part = opened[0].sock.recv(BUFFER_BYTES)
        if not part:
            raise NoAnswerError("the server closed the connection")
        answer += part
    return Load(opened, GET, len(answer)).run


def tls(address: Address, connections: int, size: int) -> Callable[[float], int]:
    """`echo` over TLS."""
    return echo(address, connections, size, TlsConnection)


def handshake(address: Address, connections: int, size: int) -> Callable[[float], int]:
    """`connect` over TLS."""
    return connect(address, connections, size, TlsConnection)


def connect(
    address: Address, connections: int, size: int, kind: type[Connection] = Connection
) -> Callable[[float], int]:
    """Connect, one byte there and back, close; one after the other."""

    def run(seconds: float) -> int:
        cycles = 0
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            connection = kind(address)
            connection.exchange(b"x", 1)
            connection.sock.close()
            cycles += 1
        return cycles

    return run


MODES = {
    "echo": echo,
    "udp": udp,
    "sendfile": sendfile,
    "http": http,
    "connect": connect,
    "tls": tls,
    "handshake": handshake,
}


def process_cpu_clock(pid: int) -> int:
    """The clock of all CPU time of process `pid`, in nanosecond steps (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


def measure(run: Callable[[float], int], server_pid: int, seconds: float) -> dict[str, float]:
    clock = process_cpu_clock(server_pid)
    server, own, start = time.clock_gettime(clock), time.process_time(), time.perf_counter()
    operations = run(seconds)
    elapsed = time.perf_counter() - start
    return {
        "operations": operations,
        "seconds": elapsed,
        "cpu_seconds": time.clock_gettime(clock) - server,
        "client_busy": (time.process_time() - own) / elapsed,
    }


def main(mode: str, host: str, *numbers: str) -> None:
    port, server_pid, connections, size = map(int, numbers[:4])
    warmup, seconds = map(float, numbers[4:6])
    core = int(numbers[6])
    if core >= 0:
        os.sched_setaffinity(0, {core})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    run = MODES[mode]((host, port), connections, size)
    run(warmup)
    print(json.dumps(measure(run, server_pid, seconds)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except TimeoutError:
        sys.exit(f"no answer on a new connection for {STALL_SECONDS:.0f} s")
    except (NoAnswerError, OSError) as error:
        sys.exit(str(error))
