"""The end of a TLS connection: ours, the peer's, in order and out of order."""

import asyncio
import ssl

import pytest
from transport.protocols import BufferedRecorder, Recorder, read_to_end

from .peer import accepted, connected, handshaking, reset


async def test_closing_ends_both_directions(certificates, version):
    context = version(certificates.client_context())
    async with connected(certificates, context=context) as (protocol, peer):
        protocol.transport.write(b"last words")
        protocol.transport.close()
        assert protocol.transport.is_closing()
        assert await peer.read_to_end() == b"last words"
        await peer.unwrap()
        assert await protocol.lost is None
        assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]
        assert await read_to_end(peer.sock) == b""


async def test_closing_sends_all_that_is_queued(certificates):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.write(b"x" * 20_000_000)
        protocol.transport.close()
        assert await peer.read_to_end() == b"x" * 20_000_000
        await peer.unwrap()
        assert await protocol.lost is None


async def test_the_peer_ends_first(certificates, version, until):
    context = version(certificates.client_context())
    async with connected(certificates, context=context) as (protocol, peer):
        await peer.write(b"last words")
        await peer.unwrap()
        assert await protocol.lost is None
        assert protocol.data == b"last words"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


@pytest.mark.parametrize(
    "kind",
    [
        Recorder,
        # The stock transport reads the second record into a copy of the buffer.
        pytest.param(lambda: BufferedRecorder(64), marks=pytest.mark.nalsil_only),
    ],
)
async def test_data_and_end_that_come_together(certificates, kind):
    """One read of the socket brings records, the end of TLS, and that of the connection."""
    async with connected(certificates, kind) as (protocol, peer):
        peer.tls.write(b"one")
        peer.tls.write(b"two")
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.unwrap()
        await peer.flush()
        peer.sock.close()
        assert await protocol.lost is None
        assert protocol.data == b"onetwo"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_an_end_without_that_of_tls(certificates):
    async with connected(certificates) as (protocol, peer):
        await peer.write(b"last words")
        peer.sock.close()
        assert await protocol.lost is None
        assert protocol.data == b"last words"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_a_reset(certificates):
    async with connected(certificates) as (protocol, peer):
        reset(peer.sock)
        assert isinstance(await protocol.lost, ConnectionResetError)
        assert "eof_received" not in protocol.calls


async def test_keeping_the_other_direction_is_not_possible(certificates, caplog):
    async with connected(certificates, lambda: Recorder(keep_open=True)) as (protocol, peer):
        await peer.unwrap()
        assert await protocol.lost is None
    text = "returning true from eof_received() has no effect when using ssl"
    assert text in [record.getMessage() for record in caplog.records]


async def test_aborting_waits_for_nobody(certificates):
    async with connected(certificates) as (protocol, _):
        protocol.transport.write(b"x" * 20_000_000)
        protocol.transport.abort()
        assert protocol.transport.is_closing()
        assert await protocol.lost is None
        assert protocol.calls[-1] == "connection_lost"


@pytest.mark.nalsil_only  # the stock transport fails at the second close, or tells the end twice
async def test_closing_twice_and_aborting_later(certificates):
    async with connected(certificates) as (protocol, _):
        protocol.transport.close()
        protocol.transport.close()
        protocol.transport.abort()
        protocol.transport.abort()
        assert await protocol.lost is None
        protocol.transport.close()
        assert protocol.calls.count("connection_lost") == 1


async def test_a_peer_that_does_not_answer_the_end(certificates):
    async with connected(certificates, ssl_shutdown_timeout=0.05) as (protocol, _):
        protocol.transport.close()
        error = await protocol.lost
        assert isinstance(error, TimeoutError)
        assert "SSL shutdown timed out" in str(error)


async def test_a_peer_that_reads_nothing_of_the_rest(certificates):
    async with connected(certificates, ssl_shutdown_timeout=0.05) as (protocol, _):
        protocol.transport.write(b"x" * 20_000_000)
        protocol.transport.close()
        assert isinstance(await protocol.lost, TimeoutError)


@pytest.mark.nalsil_only  # the stock transport counts from the close(), and loses the rest
async def test_a_peer_that_reads_slowly_gets_everything(certificates):
    seconds, whole = 0.1, b"x" * 20_000_000
    async with connected(certificates, ssl_shutdown_timeout=seconds) as (protocol, peer):
        protocol.transport.write(whole)
        protocol.transport.close()
        loop = asyncio.get_running_loop()
        begun, received = loop.time(), 0
        # Reads a part for each half of the timeout, until several of them have passed.
        while loop.time() - begun < 5 * seconds:
            received += len(await peer.read_exactly(1_000_000))
            await asyncio.sleep(seconds / 2)
        assert not protocol.lost.done()
        received += len(await peer.read_to_end())
        assert received == len(whole)
        await peer.unwrap()
        assert await protocol.lost is None


async def test_a_peer_that_is_gone_is_not_waited_for(certificates):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.close()
        peer.sock.close()
        # The system resets what was not read.
        error = await protocol.lost
        assert error is None or isinstance(error, ConnectionError)


@pytest.mark.nalsil_only  # the stock transport reports the data that comes late as an error
@pytest.mark.parametrize("connect", [connected, accepted])
async def test_a_peer_that_goes_on_sending_is_not_waited_for(certificates, version, connect):
    """Closing under load: the default timeout of half a minute has no part in it."""
    kind = "client_context" if connect is connected else "server_context"
    context = version(getattr(certificates, kind)())
    async with connect(certificates, context=context) as (protocol, peer):

        async def flood():
            try:
                while True:
                    await peer.write(b"x" * 100_000)
            except OSError:
                pass

        flooding = asyncio.ensure_future(flood())
        while len(protocol.data) < 1_000_000:
            await asyncio.sleep(0)
        protocol.transport.close()
        assert await protocol.lost is None
        await flooding


@pytest.mark.nalsil_only  # the stock transport gives data to a protocol that has closed
async def test_nothing_arrives_after_close(certificates):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.pause_reading()
        await peer.write(b"x" * 100)
        protocol.transport.close()
        assert await peer.read_to_end() == b""
        await peer.unwrap()
        assert await protocol.lost is None
        assert protocol.data == b""


async def test_closing_in_a_callback(certificates):
    class Closing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.write(b"bye")
            self.transport.close()

    async with connected(certificates, Closing) as (protocol, peer):
        await peer.write(b"hi")
        assert await peer.read_to_end() == b"bye"
        await peer.unwrap()
        assert await protocol.lost is None


async def test_aborting_in_connection_made(certificates):
    class Aborting(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.abort()

    async with handshaking(certificates, Aborting) as (connecting, peer):
        with pytest.raises((EOFError, ConnectionError)):
            await peer.handshake_and_read()
        _, protocol = await connecting
        assert await protocol.lost is None
        assert protocol.calls == ["connection_made", "connection_lost"]


@pytest.mark.parametrize("method", ["data_received", "eof_received"])
async def test_aborting_in_a_callback(certificates, method):
    class Aborting(Recorder):
        pass

    def abort(self, *arguments):
        getattr(Recorder, method)(self, *arguments)
        self.transport.abort()

    setattr(Aborting, method, abort)
    async with connected(certificates, Aborting) as (protocol, peer):
        await peer.write(b"hi")
        peer.sock.shutdown(1)
        assert await protocol.lost is None
        assert protocol.calls.count("connection_lost") == 1


async def test_the_end_waits_for_a_protocol_that_does_not_read(certificates, until, turns):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.pause_reading()
        await peer.write(b"held back")
        peer.sock.close()
        await turns(20)
        assert protocol.calls == ["connection_made"]
        protocol.transport.resume_reading()
        assert await protocol.lost is None
        assert protocol.data == b"held back"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_a_paused_transport_closes(certificates):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.pause_reading()
        protocol.transport.close()
        assert await peer.read_to_end() == b""
        await peer.unwrap()
        assert await protocol.lost is None


@pytest.mark.nalsil_only  # the stock transport stays open until it reads again
async def test_a_paused_transport_whose_peer_has_gone_closes(certificates, turns):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.pause_reading()
        await peer.write(b"x" * 1000)
        peer.sock.close()
        await turns(20)
        protocol.transport.close()
        assert await protocol.lost is None


async def test_what_is_queued_is_sent_to_a_peer_that_has_ended(certificates):
    """The peer sends no more but reads on, with and without the end of TLS."""
    for clean in (True, False):
        async with connected(certificates) as (protocol, peer):
            protocol.transport.write(b"x" * 20_000_000)
            if clean:
                with pytest.raises(ssl.SSLWantReadError):
                    peer.tls.unwrap()
                await peer.flush()
            else:
                peer.sock.shutdown(1)
            received = bytearray()
            while True:
                try:
                    part = peer.tls.read(1 << 16)
                except ssl.SSLWantReadError:
                    if not await peer.receive():
                        break
                    continue
                except ssl.SSLZeroReturnError:
                    break
                if not part:
                    break
                received += part
            assert bytes(received) == b"x" * 20_000_000
            assert await protocol.lost is None


@pytest.mark.parametrize("method", ["data_received", "eof_received", "connection_lost"])
async def test_an_exception_of_the_protocol_is_reported(certificates, reported, method):
    class Failing(Recorder):
        pass

    def fail(self, *arguments):
        getattr(Recorder, method)(self, *arguments)
        raise ZeroDivisionError(method)

    setattr(Failing, method, fail)
    async with connected(certificates, Failing) as (protocol, peer):
        await peer.write(b"hi")
        peer.sock.shutdown(1)
        error = await protocol.lost
        assert isinstance(error, ZeroDivisionError) == (method != "connection_lost")
        await asyncio.sleep(0)
    assert [str(context["exception"]) for context in reported] == [method]


async def test_a_server_waits_for_its_connections(certificates):
    loop = asyncio.get_running_loop()
    protocols = []
    server = await loop.create_server(
        lambda: protocols.append(Recorder()) or protocols[-1],
        "127.0.0.1",
        0,
        ssl=certificates.server,
    )
    address = server.sockets[0].getsockname()
    clients = [
        await loop.create_connection(
            Recorder, *address, ssl=certificates.client, server_hostname="localhost"
        )
        for _ in range(3)
    ]
    server.close()
    waiting = asyncio.ensure_future(server.wait_closed())
    for transport, protocol in clients:
        assert not waiting.done()
        transport.close()
        await protocol.lost
    await asyncio.gather(*[protocol.lost for protocol in protocols])
    await waiting


@pytest.mark.nalsil_only  # the stock server has the methods since 3.13, and ends no TLS
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
async def test_a_server_closes_its_connections(certificates, method):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Recorder, "127.0.0.1", 0, ssl=certificates.server)
    address = server.sockets[0].getsockname()
    _, client = await loop.create_connection(
        Recorder, *address, ssl=certificates.client, server_hostname="localhost"
    )
    server.close()
    getattr(server, method)()
    await server.wait_closed()
    await client.lost
