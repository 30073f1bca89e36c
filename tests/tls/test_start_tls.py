"""Connections that become TLS on the way."""

import asyncio
import gc
import ssl
import weakref
from asyncio import sslproto

import pytest
from transport import protocols
from transport.protocols import Echo, Recorder, read_exactly, tcp_pair

from .peer import Peer


async def test_both_sides_of_a_connection(certificates, until):
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    (one, client), (two, server) = await asyncio.gather(
        loop.create_connection(Recorder, sock=ours),
        loop.connect_accepted_socket(Echo, theirs),
    )
    one.write(b"plain")
    await until(lambda: client.data == b"plain")
    secured, answering = await asyncio.gather(
        loop.start_tls(one, client, certificates.client, server_hostname="localhost"),
        loop.start_tls(two, server, certificates.server, server_side=True),
    )
    server.transport = answering
    assert secured.get_protocol() is client
    assert secured.get_extra_info("peername") == one.get_extra_info("peername")
    secured.write(b"secret")
    await until(lambda: client.data == b"plainsecret")
    secured.close()
    assert await client.lost is None
    assert await server.lost is None
    assert client.calls.count("connection_made") == 1


@pytest.mark.nalsil_only  # the stock transport does not know that the one below has paused
async def test_what_is_queued_goes_out_as_it_is(certificates):
    async with protocols.connected() as (protocol, sock):
        loop = asyncio.get_running_loop()
        protocol.transport.write(b"x" * 3_000_000)
        assert protocol.transport.get_write_buffer_size() > 0
        starting = loop.create_task(
            loop.start_tls(
                protocol.transport, protocol, certificates.client, server_hostname="localhost"
            )
        )
        assert await read_exactly(sock, 3_000_000) == b"x" * 3_000_000
        peer = Peer(sock, certificates.server)
        await peer.handshake()
        transport = await starting
        transport.write(b"secret")
        assert await peer.read_exactly(6) == b"secret"
        transport.abort()
        await protocol.lost


async def test_a_paused_connection_goes_on(certificates):
    async with protocols.connected() as (protocol, sock):
        loop = asyncio.get_running_loop()
        protocol.transport.pause_reading()
        peer = Peer(sock, certificates.server)
        transport, _ = await asyncio.gather(
            loop.start_tls(
                protocol.transport, protocol, certificates.client, server_hostname="localhost"
            ),
            peer.handshake(),
        )
        transport.abort()
        await protocol.lost


async def test_tls_in_tls(certificates, until):
    """A proxy with TLS that leads to a server with TLS."""
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    client, server = Recorder(), Echo()
    outer = await asyncio.gather(
        loop.create_connection(
            lambda: client, sock=ours, ssl=certificates.client, server_hostname="localhost"
        ),
        loop.connect_accepted_socket(lambda: server, theirs, ssl=certificates.server),
    )
    (one, _), (two, _) = outer
    inner, answering = await asyncio.gather(
        loop.start_tls(one, client, certificates.client, server_hostname="localhost"),
        loop.start_tls(two, server, certificates.server, server_side=True),
    )
    server.transport = answering
    data = bytes(range(256)) * 4000
    inner.write(data)
    await until(lambda: len(client.data) == len(data))
    assert client.data == data
    assert inner.get_extra_info("ssl_object") is not one.get_extra_info("ssl_object")
    assert inner.get_extra_info("peername") == theirs_name(answering)
    inner.close()
    assert await client.lost is None
    assert await server.lost is None


def theirs_name(transport):
    return transport.get_extra_info("sockname")


@pytest.mark.nalsil_only  # the stock transport loses what waits when the outer connection ends
async def test_tls_in_tls_keeps_what_waits_for_the_end(certificates, turns):
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    client, server = Recorder(), Recorder()
    (one, _), (two, _) = await asyncio.gather(
        loop.create_connection(
            lambda: client, sock=ours, ssl=certificates.client, server_hostname="localhost"
        ),
        loop.connect_accepted_socket(lambda: server, theirs, ssl=certificates.server),
    )
    inner, answering = await asyncio.gather(
        loop.start_tls(one, client, certificates.client, server_hostname="localhost"),
        loop.start_tls(two, server, certificates.server, server_side=True),
    )
    inner.pause_reading()
    answering.write(b"held back")
    answering.close()
    await turns(50)
    assert client.data == b""
    inner.resume_reading()
    assert await client.lost is None
    assert client.data == b"held back"
    await server.lost


async def test_a_transport_of_somebody_else(certificates):
    """What is no transport of the loop's gets the standard library's TLS."""
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    theirs.setblocking(False)
    with theirs:
        plain, _ = await loop.create_connection(asyncio.Protocol, sock=ours)

        class Foreign(asyncio.Transport):
            _start_tls_compatible = True

            def __getattribute__(self, name):
                if name in {"_start_tls_compatible", "__class__"}:
                    return object.__getattribute__(self, name)
                return getattr(plain, name)

        protocol, peer = Recorder(), Peer(theirs, certificates.server)
        transport, _ = await asyncio.gather(
            loop.start_tls(Foreign(), protocol, certificates.client, server_hostname="localhost"),
            peer.handshake(),
        )
        protocol.transport = transport
        assert type(transport) is sslproto._SSLProtocolTransport
        transport.write(b"spam")
        assert await peer.read_exactly(4) == b"spam"
        transport.abort()
        await protocol.lost


async def test_a_failed_handshake_is_raised(certificates):
    async with protocols.connected() as (protocol, sock):
        loop = asyncio.get_running_loop()
        starting = loop.create_task(
            loop.start_tls(
                protocol.transport, protocol, certificates.client, server_hostname="localhost"
            )
        )
        await loop.sock_recv(sock, 1 << 16)
        await loop.sock_sendall(sock, b"no TLS here, sorry\r\n")
        with pytest.raises(ssl.SSLError):
            await starting
        assert isinstance(await protocol.lost, ssl.SSLError)


@pytest.mark.nalsil_only  # on the stock loop it hangs
async def test_a_connection_that_is_over_is_refused(certificates):
    async with protocols.connected() as (protocol, _):
        transport = protocol.transport
        transport.abort()
        await protocol.lost
        with pytest.raises(ConnectionError):
            await asyncio.get_running_loop().start_tls(
                transport, protocol, certificates.client, server_hostname="localhost"
            )


async def test_cancelling_closes_the_connection(certificates):
    async with protocols.connected() as (protocol, sock):
        loop = asyncio.get_running_loop()
        starting = loop.create_task(
            loop.start_tls(
                protocol.transport, protocol, certificates.client, server_hostname="localhost"
            )
        )
        await loop.sock_recv(sock, 1 << 16)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert await loop.sock_recv(sock, 1) == b""
        if not protocol.lost.done():
            # asyncio's own TLS tells the protocol nothing here.
            protocol.lost.set_result(None)


async def test_arguments_are_checked(certificates):
    loop = asyncio.get_running_loop()
    with pytest.raises(TypeError, match=r"instance of ssl\.SSLContext, got None"):
        await loop.start_tls(None, None, None)
    with pytest.raises(TypeError, match="is not supported by start_tls"):
        await loop.start_tls(object(), None, certificates.client)


async def test_streams(certificates):
    """`open_connection`, `start_server` and `StreamWriter.start_tls`."""

    async def serve(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go on\n")
        await writer.drain()
        await writer.start_tls(certificates.server)
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go on\n"
        await writer.start_tls(certificates.client, server_hostname="localhost")
        for _ in range(3):
            writer.write(b"spam\n")
            assert await reader.readline() == b"SPAM\n"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()


async def test_streams_from_the_beginning(certificates, tmp_path):
    contexts = {"ssl": certificates.client, "server_hostname": "localhost"}
    tcp = await asyncio.start_server(echo_once, "127.0.0.1", 0, ssl=certificates.server)
    path = str(tmp_path / "socket")
    unix = await asyncio.start_unix_server(echo_once, path, ssl=certificates.server)
    for opening in (
        asyncio.open_connection(*tcp.sockets[0].getsockname(), **contexts),
        asyncio.open_unix_connection(path, **contexts),
    ):
        reader, writer = await opening
        writer.write(b"x" * 500_000)
        assert await reader.readexactly(500_000) == b"x" * 500_000
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    for server in (tcp, unix):
        server.close()
        await server.wait_closed()


async def echo_once(reader, writer):
    writer.write(await reader.readexactly(500_000))
    writer.close()
    await writer.wait_closed()


@pytest.mark.stock_since(3, 15)
async def test_a_stream_that_has_received_the_clients_first_words(certificates):
    """They are taken for data before the server knows that it is to speak TLS."""
    served = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        await reader._wait_for_data("the test")
        assert reader._buffer
        await writer.start_tls(certificates.server)
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()
        served.set_result(None)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await writer.start_tls(certificates.client, server_hostname="localhost")
        writer.write(b"ping\n")
        assert await reader.read() == b"ping\n"
        writer.close()
        await writer.wait_closed()
        await served


@pytest.fixture
def no_collection():
    """What is in a cycle stays for as long as the test runs."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.stock_since(3, 15)
@pytest.mark.parametrize("late", [False, True], ids=["create_connection", "start_tls"])
async def test_a_handshake_that_fails_leaves_no_cycle(certificates, late, no_collection):
    loop = asyncio.get_running_loop()
    ours, theirs = tcp_pair()
    theirs.setblocking(False)
    transports = []

    class Seen(asyncio.Protocol):
        def connection_made(self, transport):
            transports.append(weakref.ref(transport))

    async def connect():
        ssl_context = ssl.create_default_context()
        if not late:
            await loop.create_connection(
                asyncio.Protocol, sock=ours, ssl=ssl_context, server_hostname="localhost"
            )
        transport, protocol = await loop.create_connection(Seen, sock=ours)
        await loop.start_tls(transport, protocol, ssl_context, server_hostname="localhost")

    async def fail():
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect()

    with theirs:
        peer = Peer(theirs, certificates.server)
        await asyncio.gather(fail(), peer.handshake(), return_exceptions=True)
        await asyncio.sleep(0)
    assert [transport() for transport in transports] == [None] * late
    if not late:
        kept = [each for each in gc.get_objects() if isinstance(each, ssl.SSLCertVerificationError)]
        assert kept == []
