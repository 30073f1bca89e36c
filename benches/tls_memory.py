"""What an idle TLS connection costs, and how long closing takes while the clients send.

Each measurement is a fresh server process, which is asked over a pipe; the clients are plain
sockets of this process, the same for every loop.
"""

import argparse
import asyncio
import gc
import os
import select
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import loops
from workloads.servers import Echo, tls_context

HOST = "127.0.0.1"
CONNECTIONS = 500
SIZES = {"1KB": 1024, "1MB": 1024 * 1024}
CLOSING = 50
"""Connections that are closed under load."""

PATIENCE_SECONDS = 60.0


def memory_kib() -> int:
    """KiB of this process that are in RAM and nobody else's."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    private = [line.split() for line in lines if line.startswith("Private_")]
    return sum(int(fields[1]) for fields in private)


class Counted(Echo):
    """Knows every connection that is there, and answers unless it is told not to."""

    there: ClassVar[dict["Counted", None]] = {}
    silent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.there[self] = None

    def data_received(self, data: bytes) -> None:
        if not Counted.silent:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.there.pop(self, None)


async def serve() -> None:
    """Answer each line of the standard input: `memory`, `silence` or `close`."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Counted, HOST, 0, ssl=tls_context(), backlog=1024)
    print(*server.sockets[0].getsockname(), flush=True)
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if line == "memory":
            gc.collect()
            print(memory_kib(), flush=True)
        elif line == "silence":
            Counted.silent = True
            print(0, flush=True)
        else:
            started = time.perf_counter()
            for protocol in list(Counted.there):
                protocol.transport.close()
            while Counted.there and time.perf_counter() - started < PATIENCE_SECONDS:
                await asyncio.sleep(0.001)
            print(time.perf_counter() - started, flush=True)
    os._exit(0)


class Server:
    """A server process on a loop."""

    def __init__(self, loop: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", loop],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        host, port = self.line().split()
        self.address = (host, int(port))

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.kill()
        self.process.wait()

    def line(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 2 * PATIENCE_SECONDS)
        return self.process.stdout.readline() if ready else ""

    def ask(self, what: str) -> float:
        assert self.process.stdin is not None
        print(what, file=self.process.stdin, flush=True)
        return float(self.line())

    def connect(self) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(socket.create_connection(self.address))


def exchange(connection: ssl.SSLSocket, size: int) -> None:
    """A message there and back, in steps that fit the buffers on the way."""
    step = min(size, 64 * 1024)
    for _ in range(size // step):
        connection.sendall(bytes(step))
        left = step
        while left:
            part = connection.recv(left)
            if not part:
                raise ConnectionResetError
            left -= len(part)


def idle_kib(loop: str, size: int) -> float:
    """KiB for each connection that has exchanged a message of `size` bytes."""
    with Server(loop) as server:
        exchange(server.connect(), size)
        before = server.ask("memory")
        held = [server.connect() for _ in range(CONNECTIONS)]
        for connection in held:
            exchange(connection, size)
        return (server.ask("memory") - before) / CONNECTIONS


def closing_seconds(loop: str) -> float:
    """Seconds until all connections are closed whose clients go on sending."""
    with Server(loop) as server:
        server.ask("silence")
        held = [server.connect() for _ in range(CLOSING)]
        over = threading.Event()

        def flood(connection: ssl.SSLSocket) -> None:
            try:
                while not over.is_set():
                    connection.sendall(bytes(64 * 1024))
            except OSError:
                pass

        threads = [threading.Thread(target=flood, args=(one,), daemon=True) for one in held]
        for thread in threads:
            thread.start()
        try:
            return server.ask("close")
        finally:
            over.set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", default="nalsil,asyncio,uvloop", help="names, with commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        with loops.runner(given.serve) as runner:
            runner.run(serve())
    names = given.loops.split(",")
    works = {f"idle after {label}, KiB": (idle_kib, (size,)) for label, size in SIZES.items()}
    works["closing under load, s"] = (closing_seconds, ())
    print("| |", " | ".join(names), "|\n|---|" + "---|" * len(names))
    for work, (measure, arguments) in works.items():
        taken: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(given.rounds):
            for name in names:
                taken[name].append(measure(name, *arguments))
        medians = [f"{statistics.median(taken[name]):.3g}" for name in names]
        print(f"| {work} |", " | ".join(medians), "|", flush=True)


if __name__ == "__main__":
    main()
