"""The servers: one process, one loop, one way to answer.

Run as `python -m workloads.servers WORK LOOP SIZE CORE`. Prints `HOST PORT` when it listens and
serves until it is killed. CORE is the processor to stay on, -1 for any.
"""

import asyncio
import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import loops

HOST = "127.0.0.1"
BACKLOG = 1_024
BUFFER_BYTES = 256 * 1_024
CERTIFICATE = Path(__file__).parent / "localhost.pem"
LIFE_SECONDS = 120
"""A server that outlives its runner ends itself after so long."""

Serve = Callable[[socket.socket, int], Awaitable[object]]


class Echo(asyncio.Protocol):
    """Writes back what it gets."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transport is an `asyncio.Transport`, so this cannot be an assertion.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """Writes back what it gets into a buffer of its own.

    What is written is a copy, as a transport may keep what it could not send at once.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(BUFFER_BYTES))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(bytes(self.buffer[:nbytes]))


def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def protocol(listener: socket.socket, size: int, tls: ssl.SSLContext | None = None) -> object:
    loop = asyncio.get_running_loop()
    return await loop.create_server(Echo, sock=listener, backlog=BACKLOG, ssl=tls)


async def buffered(listener: socket.socket, size: int, tls: ssl.SSLContext | None = None) -> object:
    loop = asyncio.get_running_loop()
    return await loop.create_server(BufferedEcho, sock=listener, backlog=BACKLOG, ssl=tls)


async def streams(listener: socket.socket, size: int, tls: ssl.SSLContext | None = None) -> object:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await reader.readexactly(size))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(echo, sock=listener, backlog=BACKLOG, ssl=tls)


async def sock(listener: socket.socket, size: int) -> object:
    loop = asyncio.get_running_loop()
    listener.setblocking(False)

    async def echo(connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := await loop.sock_recv(connection, size):
                await loop.sock_sendall(connection, data)

    async def accept() -> None:
        echoes = set()
        while True:
            connection, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(echo(connection))
            echoes.add(task)
            task.add_done_callback(echoes.discard)

    return asyncio.create_task(accept())


class EchoDatagrams(asyncio.DatagramProtocol):
    """Sends back what it gets."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


async def datagrams(listener: socket.socket, size: int) -> object:
    """On the port of the same number: the listener only holds it."""
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(EchoDatagrams, local_addr=listener.getsockname())


class Files(Echo):
    """Sends the file for each request, which is one byte."""

    def __init__(self, path: str) -> None:
        self.path = path

    def data_received(self, data: bytes) -> None:
        self.sending = asyncio.create_task(self.send())

    async def send(self) -> None:
        with open(self.path, "rb") as file:
            await asyncio.get_running_loop().sendfile(self.transport, file)


async def sendfile(listener: socket.socket, size: int) -> object:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - open as long as it is served
    file.truncate(size)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Files(file.name), sock=listener, backlog=BACKLOG)
    return server, file


async def uvicorn(listener: socket.socket, size: int) -> object:
    module: Any = importlib.import_module("uvicorn")
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]

    async def hello(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Hello, world!"})

    config = module.Config(hello, http="httptools", lifespan="off", log_level="critical")
    server = module.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.001)
    return serving


RECORD_BYTES = 22
"""What a record of TLS 1.3 adds to its data."""


class Calls:
    """Echoes by the calls of OpenSSL and of the system that it takes, and by nothing else."""

    def __init__(self, client: socket.socket, tls: ssl.SSLContext) -> None:
        self.client = client
        self.arrived, self.leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.engine = tls.wrap_bio(self.arrived, self.leaving, server_side=True)
        self.is_open = False

    def echo(self, size: int) -> bool:
        """Take what has come. `False`: that was the end."""
        data = self.client.recv(BUFFER_BYTES)
        self.arrived.write(data)
        if not self.is_open:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.engine.do_handshake()
                self.is_open = True
        # OpenSSL is asked when it has the whole message, so that it need not ask for more.
        if self.is_open and self.arrived.pending >= size + RECORD_BYTES:
            self.engine.write(self.engine.read(size))
        if self.leaving.pending:
            self.client.sendall(self.leaving.read())
        return bool(data)


async def calls(listener: socket.socket, size: int, tls: ssl.SSLContext) -> None:
    """No loop at all once it runs: messages of one record, on as many connections as come."""

    def run() -> None:
        poll = select.epoll()
        poll.register(listener, select.EPOLLIN)
        clients: dict[int, Calls] = {}
        while True:
            for descriptor, _ in poll.poll():
                if client := clients.get(descriptor):
                    if not client.echo(size):
                        poll.unregister(descriptor)
                        clients.pop(descriptor).client.close()
                    continue
                accepted, _ = listener.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[accepted.fileno()] = Calls(accepted, tls)
                poll.register(accepted, select.EPOLLIN)

    asyncio.get_running_loop().call_soon(run)


def over_tls(serve: Callable[..., Awaitable[object]]) -> Serve:
    return lambda listener, size: serve(listener, size, tls_context())


SERVERS: dict[str, Serve] = {
    "tls-protocol": over_tls(protocol),
    "tls-buffered": over_tls(buffered),
    "tls-streams": over_tls(streams),
    "tls-calls": over_tls(calls),
    "protocol": protocol,
    "buffered": buffered,
    "streams": streams,
    "sock": sock,
    "datagrams": datagrams,
    "sendfile": sendfile,
    "uvicorn": uvicorn,
}


async def serve(work: str, size: int) -> None:
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that know theirs.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen(BACKLOG)
    # Asked now, as some loops take the descriptor out of the socket object they are given.
    address = listener.getsockname()
    serving = await SERVERS[work](listener, size)
    gc.collect()
    gc.freeze()
    print(*address, flush=True)
    await asyncio.get_running_loop().create_future()
    del serving


def main(work: str, loop: str, size: str, core: str) -> None:
    signal.alarm(LIFE_SECONDS)
    if int(core) >= 0:
        os.sched_setaffinity(0, {int(core)})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with loops.runner(loop) as runner:
        runner.run(serve(work, int(size)))


if __name__ == "__main__":
    main(*sys.argv[1:])
