"""Datagram protocols that write down what happens, and sockets to talk to them."""

import asyncio
import contextlib
import socket

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class Datagrams(asyncio.DatagramProtocol):
    """Notes every callback in `calls`, and what came in `received` and `errors`."""

    def __init__(self):
        self.transport = None
        self.calls = []
        self.received = []
        self.errors = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.calls.append("connection_made")

    def datagram_received(self, data, addr):
        assert type(data) is bytes
        self.calls.append("datagram_received")
        self.received.append((data, addr))

    def error_received(self, exc):
        self.calls.append("error_received")
        self.errors.append(exc)

    def pause_writing(self):
        self.calls.append("pause_writing")

    def resume_writing(self):
        self.calls.append("resume_writing")

    def connection_lost(self, exc):
        self.calls.append("connection_lost")
        self.lost.set_result(exc)


class EchoDatagrams(Datagrams):
    """Sends back what it receives."""

    def datagram_received(self, data, addr):
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def endpoint(factory=Datagrams, **arguments):
    """The protocol of a datagram endpoint of the running loop; by default one of 127.0.0.1."""
    arguments = arguments or {"local_addr": ("127.0.0.1", 0)}
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(factory, **arguments)
    try:
        yield protocol
    finally:
        if not protocol.lost.done():
            transport.abort()
            await protocol.lost
        await asyncio.sleep(0)


def address_of(protocol):
    """The address that the protocol's socket is bound to."""
    return protocol.transport.get_extra_info("sockname")


@contextlib.contextmanager
def peer(family=socket.AF_INET):
    """A bound, non-blocking UDP socket of the loopback interface."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((HOSTS[family], 0))
        sock.setblocking(False)
        yield sock


@contextlib.asynccontextmanager
async def connected_unix(factory=Datagrams):
    """A protocol over a connected Unix datagram socket; gives it and the socket it talks to."""
    ours, theirs = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    with theirs:
        # An abstract name, given by the system.
        theirs.bind("")
        theirs.setblocking(False)
        ours.connect(theirs.getsockname())
        async with endpoint(factory, sock=ours) as protocol:
            yield protocol, theirs


async def receive(sock, size=1 << 16):
    """The next datagram of `sock` and its sender."""
    return await asyncio.get_running_loop().sock_recvfrom(sock, size)


def has_ipv6():
    """Whether the loopback interface has IPv6."""
    if not socket.has_ipv6:
        return False
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True
