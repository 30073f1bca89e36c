"""A TLS transport: its interface and its data."""

import asyncio
import gc
import ssl
import warnings
import weakref

import pytest
from transport.protocols import BufferedRecorder, Echo, Recorder, tcp_pair

from .peer import Peer, accepted, connected

SIZES = [1, 1000, 16 * 1024, 16 * 1024 + 1, 100_000, 3_000_000]


async def test_is_an_asyncio_transport(certificates):
    async with connected(certificates) as (protocol, _):
        transport = protocol.transport
        assert isinstance(transport, asyncio.Transport)
        assert transport.get_protocol() is protocol
        assert transport.is_reading()
        assert not transport.is_closing()
        assert not transport.can_write_eof()
        with pytest.raises(NotImplementedError):
            transport.write_eof()
        assert protocol.calls == ["connection_made"]


async def test_extra_info(certificates, version):
    async with connected(certificates, context=version(certificates.client_context())) as (
        protocol,
        peer,
    ):
        info = protocol.transport.get_extra_info
        tls = info("ssl_object")
        assert isinstance(tls, ssl.SSLObject)
        assert tls.version() == peer.tls.version()
        assert info("sslcontext") is tls.context
        assert info("peercert") == tls.getpeercert()
        assert info("peercert")["subjectAltName"] == (("DNS", "localhost"),)
        assert info("cipher") == tls.cipher() == peer.tls.cipher()
        assert info("compression") is None
        assert info("peername") == peer.sock.getsockname()
        assert info("sockname") == peer.sock.getpeername()
        assert info("socket").fileno() >= 0
        assert info("nothing") is None
        assert info("nothing", "default") == "default"


async def test_what_is_known_of_the_peer_stays_after_the_end(certificates):
    async with connected(certificates) as (protocol, _):
        transport = protocol.transport
        transport.abort()
        await protocol.lost
        assert transport.get_extra_info("peercert")
        assert transport.get_extra_info("ssl_object").version()


@pytest.mark.parametrize("size", SIZES)
async def test_data_goes_both_ways(certificates, version, size):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    context = version(certificates.client_context())
    async with connected(certificates, Echo, context=context) as (_, peer):
        sent, received = await asyncio.gather(peer.write(data), peer.read_exactly(size))
        assert sent is None
        assert received == data


@pytest.mark.parametrize("size", SIZES)
async def test_data_goes_both_ways_of_a_server(certificates, version, size):
    context = version(certificates.server_context())
    async with accepted(certificates, Echo, context=context) as (_, peer):
        data = b"y" * size
        _, received = await asyncio.gather(peer.write(data), peer.read_exactly(size))
        assert received == data


@pytest.mark.parametrize("room", [1, 7, 1000, 16 * 1024, 1 << 18])
@pytest.mark.parametrize(
    "size",
    # The stock transport reads the second record into a copy of a bytearray.
    [1, 1000, pytest.param(40_000, marks=pytest.mark.nalsil_only)],
)
async def test_data_goes_into_the_buffer_of_a_buffered_protocol(certificates, until, room, size):
    data = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
    async with connected(certificates, lambda: BufferedRecorder(room)) as (protocol, peer):
        await peer.write(data)
        await until(lambda: len(protocol.data) == size)
        assert protocol.data == data
        assert protocol.calls.count("buffer_updated") >= size // room


async def test_a_record_is_delivered_as_soon_as_it_is_whole(certificates, until):
    async with connected(certificates) as (protocol, peer):
        for number in range(1, 20):
            await peer.write(b"x")
            await until(lambda expected=number: len(protocol.data) == expected)


async def test_the_protocol_may_be_exchanged(certificates, until):
    async with connected(certificates) as (first, peer):
        second, third = Recorder(), BufferedRecorder(100)
        transport = first.transport
        for protocol in (second, third, first):
            transport.set_protocol(protocol)
            assert transport.get_protocol() is protocol
            await peer.write(b"spam")
            await until(lambda protocol=protocol: protocol.data == b"spam")


class TestWriting:
    """write and writelines."""

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    async def test_takes_every_kind_of_bytes(self, certificates, kind):
        async with connected(certificates) as (protocol, peer):
            protocol.transport.write(kind(b"spam"))
            assert await peer.read_exactly(4) == b"spam"

    @pytest.mark.parametrize("bad", ["text", None, 1, [b"x"], object()])
    async def test_refuses_what_is_no_bytes(self, certificates, bad):
        async with connected(certificates) as (protocol, _):
            with pytest.raises(TypeError, match="data: expecting a bytes-like instance, got"):
                protocol.transport.write(bad)
            assert not protocol.transport.is_closing()

    async def test_nothing_is_nothing(self, certificates):
        async with connected(certificates) as (protocol, peer):
            protocol.transport.write(b"")
            protocol.transport.writelines([])
            protocol.transport.write(b"x")
            assert await peer.read_exactly(1) == b"x"

    async def test_keeps_the_order_of_large_and_small(self, certificates):
        parts = [bytes([n]) * (1 if n % 2 else 300_000) for n in range(20)]
        async with connected(certificates) as (protocol, peer):
            for part in parts:
                protocol.transport.write(part)
            whole = b"".join(parts)
            assert await peer.read_exactly(len(whole)) == whole

    async def test_writelines_keeps_the_order(self, certificates):
        parts = [b"%05d" % number for number in range(20_000)]
        parts[100] = b"large" * 100_000
        async with connected(certificates) as (protocol, peer):
            protocol.transport.writelines(iter(parts))
            whole = b"".join(parts)
            assert await peer.read_exactly(len(whole)) == whole

    @pytest.mark.nalsil_only  # the stock transport makes a record of each
    async def test_small_pieces_share_a_record(self, certificates, until):
        async with accepted(certificates) as (protocol, peer):
            protocol.transport.writelines([b"head", bytearray(b"and"), memoryview(b"body")])
            assert await peer.do(peer.tls.read, 100) == b"headandbody"

    @pytest.mark.nalsil_only  # the stock loop keeps a view of the bytearray
    async def test_a_bytearray_may_change_after_the_write(self, certificates):
        async with connected(certificates) as (protocol, peer):
            data = bytearray(b"x" * 2_000_000)
            protocol.transport.write(data)
            data[:] = b"y" * len(data)
            data.clear()
            assert await peer.read_exactly(2_000_000) == b"x" * 2_000_000

    async def test_what_is_written_in_connection_made_arrives(self, certificates):
        class Eager(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.write(b"first")

        for connect in (connected, accepted):
            async with connect(certificates, Eager) as (_, peer):
                assert await peer.read_exactly(5) == b"first"

    async def test_after_close_write_is_dropped(self, certificates, caplog):
        async with connected(certificates) as (protocol, peer):
            protocol.transport.write(b"before")
            protocol.transport.close()
            for _ in range(10):
                protocol.transport.write(b"after")
            assert await peer.read_to_end() == b"before"
        assert any("SSL connection is closed" in r.getMessage() for r in caplog.records)


async def test_a_subclass_of_sslobject_is_asked(certificates, until):
    """What reads, writes and shakes hands in a context of the user's is the user's."""
    calls = []

    class Spy(ssl.SSLObject):
        def do_handshake(self):
            calls.append("do_handshake")
            return super().do_handshake()

        def read(self, len=1024, buffer=None):
            calls.append("read")
            return super().read(len) if buffer is None else super().read(len, buffer)

        def write(self, data):
            calls.append("write")
            return super().write(data)

        def unwrap(self):
            calls.append("unwrap")
            return super().unwrap()

    context = certificates.client_context()
    context.sslobject_class = Spy
    data = b"x" * 100_000
    async with connected(certificates, Echo, context=context) as (protocol, peer):
        _, received = await asyncio.gather(peer.write(data), peer.read_exactly(len(data)))
        assert received == data
        protocol.transport.close()
        await peer.unwrap()
        assert await protocol.lost is None
    assert set(calls) == {"do_handshake", "read", "write", "unwrap"}


def test_an_open_transport_that_is_dropped_warns(certificates, new_loop):
    async def connect():
        ours, theirs = tcp_pair()
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        peer = Peer(theirs, certificates.server)
        (transport, _), _ = await asyncio.gather(
            loop.create_connection(
                asyncio.Protocol, sock=ours, ssl=certificates.client, server_hostname="localhost"
            ),
            peer.handshake(),
        )
        return weakref.ref(transport), theirs

    loop = new_loop()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transport, theirs = loop.run_until_complete(connect())
        loop.close()
        theirs.close()
        gc.collect()
    texts = [str(warning.message) for warning in caught]
    # A warning holds what it is about, and since Python 3.15 that is no garbage then.
    caught.clear()
    gc.collect()
    assert transport() is None
    assert any(text.startswith("unclosed transport") for text in texts), texts


async def test_nothing_is_kept_of_a_connection_that_is_over(certificates):
    context = certificates.client_context()
    async with connected(certificates, context=context) as (protocol, _):
        protocol.transport.abort()
        await protocol.lost
        transport, gone = weakref.ref(protocol.transport), weakref.ref(context)
        del protocol, context
    gc.collect()
    assert transport() is None
    assert gone() is None
