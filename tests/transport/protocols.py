"""Protocols that write down what their transport does, and sockets to talk to them."""

import asyncio
import contextlib
import socket


class Recorder(asyncio.Protocol):
    """Notes every callback in `calls`, and what was received in `data`."""

    def __init__(self, keep_open=False):
        self.keep_open = keep_open
        self.transport = None
        self.calls = []
        self.data = bytearray()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.calls.append("connection_made")

    def data_received(self, data):
        assert type(data) is bytes
        self.calls.append("data_received")
        self.data += data

    def eof_received(self):
        self.calls.append("eof_received")
        return self.keep_open

    def pause_writing(self):
        self.calls.append("pause_writing")

    def resume_writing(self):
        self.calls.append("resume_writing")

    def connection_lost(self, exc):
        self.calls.append("connection_lost")
        self.lost.set_result(exc)


class BufferedRecorder(Recorder, asyncio.BufferedProtocol):
    """The same, but received into a buffer of its own of `size` bytes."""

    def __init__(self, size=16, keep_open=False):
        super().__init__(keep_open)
        self.buffer = bytearray(size)

    def get_buffer(self, sizehint):
        self.calls.append("get_buffer")
        return self.buffer

    def buffer_updated(self, nbytes):
        self.calls.append("buffer_updated")
        self.data += self.buffer[:nbytes]


class Echo(Recorder):
    """Sends back what it receives."""

    def data_received(self, data):
        super().data_received(data)
        self.transport.write(data)


@contextlib.asynccontextmanager
async def connected(factory=Recorder, family=socket.AF_UNIX):
    """A transport of the loop over a connected pair; gives the protocol and the peer's socket."""
    loop = asyncio.get_running_loop()
    ours, peer = tcp_pair() if family == socket.AF_INET else socket.socketpair()
    peer.setblocking(False)
    connect = loop.create_connection if family == socket.AF_INET else loop.create_unix_connection
    with peer:
        transport, protocol = await connect(factory, sock=ours)
        try:
            yield protocol, peer
        finally:
            if not protocol.lost.done():
                transport.abort()
                await protocol.lost
            await asyncio.sleep(0)


def tcp_pair():
    """Two sockets connected over loopback TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    return one, other


async def read_to_end(sock):
    """What the peer of `sock` sends until it ends the connection."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while part := await loop.sock_recv(sock, 1 << 20):
        received += part
    return bytes(received)


async def read_exactly(sock, count):
    """The next `count` bytes from `sock`."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < count:
        part = await loop.sock_recv(sock, count - len(received))
        assert part, f"the connection ended after {len(received)} of {count} bytes"
        received += part
    return bytes(received)


@contextlib.contextmanager
def black_hole():
    """The address of a listener that takes no more connections: connecting to it stays pending."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        listener_full = False
        while not listener_full:
            filler = fillers.enter_context(socket.socket())
            filler.settimeout(0.2)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                listener_full = True
        yield listener.getsockname()


def refused_port():
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
