"""A peer that the test drives by hand, and connections to it."""

import asyncio
import contextlib
import socket
import ssl

from transport.protocols import Recorder, tcp_pair


class Peer:
    """The other end of a TLS connection: a plain socket, and an `SSLObject` of its own.

    `send` may be replaced to change what goes onto the wire.
    """

    def __init__(self, sock, context, *, server_side=True, hostname=None):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server_side, server_hostname=hostname
        )

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def flush(self):
        if self.outgoing.pending:
            await self.send(self.outgoing.read())

    async def receive(self):
        """Take in what has arrived; False at the end of the stream."""
        data = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 18)
        self.incoming.write(data)
        return bool(data)

    async def do(self, step, *arguments):
        """What `step` returns, once the other side has sent enough for it."""
        while True:
            try:
                result = step(*arguments)
            except ssl.SSLWantReadError:
                await self.flush()
                if not await self.receive():
                    raise EOFError from None
            else:
                await self.flush()
                return result

    async def handshake(self):
        await self.do(self.tls.do_handshake)

    async def handshake_and_read(self):
        """The handshake of a server as far as the client's word on it: from TLS 1.3 on the server
        is done before the client has looked at its certificate.
        """
        await self.handshake()
        await self.do(self.tls.read, 1)

    async def write(self, data):
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        await self.flush()

    async def read_exactly(self, count):
        received = bytearray()
        while len(received) < count:
            part = await self.do(self.tls.read, count - len(received))
            assert part, f"the connection ended after {len(received)} of {count} bytes"
            received += part
        return bytes(received)

    async def read_to_end(self):
        """What comes until the other side ends its direction as TLS asks for."""
        received = bytearray()
        while part := await self.do(self.tls.read, 1 << 16):
            received += part
        return bytes(received)

    async def unwrap(self):
        await self.do(self.tls.unwrap)


@contextlib.asynccontextmanager
async def handshaking(certificates, factory=Recorder, *, context=None, peer_context=None, **more):
    """A client of the loop that makes its handshake: the task of it, and the peer."""
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    theirs.setblocking(False)
    connecting = loop.create_task(
        loop.create_connection(
            factory,
            sock=ours,
            ssl=context or certificates.client,
            server_hostname="localhost",
            **more,
        )
    )
    with theirs:
        try:
            yield connecting, Peer(theirs, peer_context or certificates.server)
        finally:
            if not connecting.done():
                connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            # The transport is closed in the turn that follows.
            await asyncio.sleep(0)
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def connected(certificates, factory=Recorder, **more):
    """A TLS client of the loop: its protocol, and the peer, after the handshake."""
    async with handshaking(certificates, factory, **more) as (connecting, peer):
        (transport, protocol), _ = await asyncio.gather(connecting, peer.handshake())
        try:
            yield protocol, peer
        finally:
            if not protocol.lost.done():
                transport.abort()
                await protocol.lost


@contextlib.asynccontextmanager
async def accepted(certificates, factory=Recorder, *, context=None, peer_context=None, **more):
    """A TLS server of the loop: its protocol, and the peer, which is the client."""
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    theirs.setblocking(False)
    with theirs:
        client = Peer(
            theirs,
            peer_context or certificates.client,
            server_side=False,
            hostname="localhost",
        )
        connecting = loop.connect_accepted_socket(
            factory, ours, ssl=context or certificates.server, **more
        )
        (transport, protocol), _ = await asyncio.gather(connecting, client.handshake())
        try:
            yield protocol, client
        finally:
            if not protocol.lost.done():
                transport.abort()
                await protocol.lost
            await asyncio.sleep(0)


RESET = b"\1\0\0\0\0\0\0\0"


def reset(sock):
    """Close a TCP socket so that its peer sees a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()
