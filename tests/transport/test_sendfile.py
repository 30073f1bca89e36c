"""Files sent over transports, plain and over TLS, and over sockets."""

import asyncio
import contextlib
import io
import os
import socket
import ssl

import pytest

from .protocols import Recorder, connected, read_exactly, read_to_end, tcp_pair

CONTENT = bytes(range(256)) * 12_345 + b"the end"
SIZE = len(CONTENT)

RANGES = pytest.mark.parametrize(
    ("offset", "count"),
    [(0, None), (1000, None), (0, 1), (0, SIZE), (777, 1_000_000), (SIZE - 3, 100)],
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        yield file


@pytest.fixture(scope="module")
def certificates():
    """The TLS settings of a server that is ``localhost``, and of a client that trusts it."""
    trustme = pytest.importorskip("trustme", reason="makes the certificates of these tests")
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def expected(offset, count):
    return CONTENT[offset:] if count is None else CONTENT[offset : offset + count]


@contextlib.asynccontextmanager
async def connected_over_tls(certificates):
    """The protocols of the client and the server of a TLS connection of the running loop."""
    loop = asyncio.get_running_loop()
    server_context, client_context = certificates
    ours, theirs = tcp_pair()
    (_, client), (_, server) = await asyncio.gather(
        loop.create_connection(
            Recorder, sock=ours, ssl=client_context, server_hostname="localhost"
        ),
        loop.connect_accepted_socket(Recorder, theirs, ssl=server_context),
    )
    yield client, server
    client.transport.close()
    await asyncio.gather(client.lost, server.lost)
    await asyncio.sleep(0)


@RANGES
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
async def test_over_a_transport(loop, file, family, offset, count):
    whole = expected(offset, count)
    async with connected(family=family) as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file, offset, count))
        assert await read_exactly(peer, len(whole)) == whole
        assert await sending == len(whole)
        assert file.tell() == offset + len(whole)


@RANGES
async def test_over_a_tls_transport(loop, file, certificates, until, offset, count):
    whole = expected(offset, count)
    async with connected_over_tls(certificates) as (client, server):
        assert await loop.sendfile(client.transport, file, offset, count) == len(whole)
        await until(lambda: len(server.data) >= len(whole))
        assert server.data == whole
        assert file.tell() == offset + len(whole)


async def test_goes_between_what_is_written_before_and_after(loop, file):
    async with connected() as (protocol, peer):
        before, after = b"before" * 100_000, b"after" * 100_000

        async def send():
            protocol.transport.write(before)
            await loop.sendfile(protocol.transport, file)
            protocol.transport.write(after)

        sending = loop.create_task(send())
        whole = before + CONTENT + after
        assert await read_exactly(peer, len(whole)) == whole
        await sending


async def test_goes_between_what_is_written_before_and_after_over_tls(
    loop, file, certificates, until
):
    async with connected_over_tls(certificates) as (client, server):
        client.transport.write(b"before")
        await loop.sendfile(client.transport, file)
        client.transport.write(b"after")
        whole = b"before" + CONTENT + b"after"
        await until(lambda: len(server.data) >= len(whole))
        assert server.data == whole


async def test_begins_at_the_offset_wherever_the_file_s_position_is(loop, file):
    file.seek(5000)
    async with connected() as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file, 0, 100))
        assert await read_exactly(peer, 100) == CONTENT[:100]
        assert await sending == 100


async def test_leaves_protocol_limits_and_reading_as_they_were(loop, file, until):
    async with connected() as (protocol, peer):
        transport = protocol.transport
        transport.set_write_buffer_limits(high=5000, low=1000)
        sending = loop.create_task(loop.sendfile(transport, file))
        assert await read_exactly(peer, SIZE) == CONTENT
        await sending
        assert transport.get_protocol() is protocol
        assert transport.get_write_buffer_limits() == (1000, 5000)
        peer.send(b"answer")
        await until(lambda: protocol.data == b"answer")


async def test_what_has_no_descriptor_is_read_and_written(loop):
    async with connected() as (protocol, peer):
        sending = loop.create_task(
            loop.sendfile(protocol.transport, io.BytesIO(CONTENT), 10, 2_000_000)
        )
        assert await read_exactly(peer, 2_000_000) == CONTENT[10:2_000_010]
        assert await sending == 2_000_000


async def test_a_peer_that_leaves_ends_it(loop, file):
    async with connected() as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file))
        assert await read_exactly(peer, 1000) == CONTENT[:1000]
        peer.close()
        with pytest.raises(ConnectionError):
            await sending
        protocol.transport.abort()
        await protocol.lost


async def test_over_a_closing_transport_is_refused(loop, file):
    async with connected() as (protocol, _):
        protocol.transport.close()
        with pytest.raises(RuntimeError, match="Transport is closing"):
            await loop.sendfile(protocol.transport, file)


async def test_without_a_fallback_the_system_sends(loop, file):
    async with connected() as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file, fallback=False))
        assert await read_exactly(peer, SIZE) == CONTENT
        assert await sending == SIZE


async def test_nothing_else_is_written_meanwhile(loop, file):
    async with connected() as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="sendfile is in progress"):
            protocol.transport.write(b"x")
        with pytest.raises(RuntimeError, match="sendfile is in progress"):
            protocol.transport.writelines([b"x"])
        assert await read_exactly(peer, SIZE) == CONTENT
        await sending
        protocol.transport.write(b"after")
        assert await read_exactly(peer, 5) == b"after"


@pytest.mark.nalsil_only
async def test_a_second_file_waits_for_nobody_and_is_refused(loop, file):
    async with connected() as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="in progress"):
            await loop.sendfile(protocol.transport, file)
        assert await read_exactly(peer, SIZE) == CONTENT
        assert await sending == SIZE


@pytest.mark.nalsil_only
@pytest.mark.parametrize("most", [0, 1, 2, 3, 5, 8, 20])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
async def test_a_cancelled_one_leaves_the_connection_usable(loop, file, family, most):
    """What was sent is a beginning of the file, as long as the position says."""
    async with connected(family=family) as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file))
        for _ in range(most):
            await asyncio.sleep(0.0001)
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
        sent = file.tell()
        assert protocol.transport.get_protocol() is protocol
        assert protocol.transport.is_reading()
        protocol.transport.write(b"after")
        assert await read_exactly(peer, sent + 5) == CONTENT[:sent] + b"after"


@pytest.mark.nalsil_only
async def test_closing_meanwhile_closes_behind_the_file(loop, file):
    async with connected() as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file))
        await asyncio.sleep(0)
        protocol.transport.close()
        assert await read_to_end(peer) == CONTENT
        assert await sending == SIZE
        assert await protocol.lost is None


@pytest.mark.nalsil_only
async def test_the_end_of_writing_waits_for_the_file(loop, file):
    async with connected() as (protocol, peer):
        sending = loop.create_task(loop.sendfile(protocol.transport, file))
        await asyncio.sleep(0)
        protocol.transport.write_eof()
        assert await read_to_end(peer) == CONTENT
        assert await sending == SIZE
        assert not protocol.transport.is_closing()


@pytest.mark.nalsil_only
async def test_aborting_meanwhile_ends_it(loop, file):
    async with connected() as (protocol, _):
        sending = loop.create_task(loop.sendfile(protocol.transport, file))
        await asyncio.sleep(0)
        protocol.transport.abort()
        with pytest.raises(ConnectionError, match="Connection is closed by peer"):
            await sending


@pytest.mark.nalsil_only
async def test_a_file_that_shrinks_ends_where_it_ends(loop, tmp_path):
    path = tmp_path / "shrinking"
    path.write_bytes(CONTENT)
    async with connected() as (protocol, peer):
        with path.open("rb+") as file:
            sending = loop.create_task(loop.sendfile(protocol.transport, file, 0, SIZE))
            await asyncio.sleep(0.001)
            file.truncate(file.seek(0))
            protocol.transport.close()
            received = await read_to_end(peer)
            assert await sending == len(received) == file.tell()


@pytest.mark.nalsil_only
async def test_what_the_system_cannot_send_is_read_and_written(loop):
    """A pipe has a descriptor, and no content that could be sent from."""
    reading, writing = os.pipe()
    with open(reading, "rb", 0) as source, open(writing, "wb", 0) as target:
        target.write(b"x" * 10_000)
        target.close()
        async with connected() as (protocol, peer):
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await loop.sendfile(protocol.transport, source, fallback=False)
            assert await loop.sendfile(protocol.transport, source) == 10_000
            assert await read_exactly(peer, 10_000) == b"x" * 10_000


async def test_over_something_else_is_refused(loop, file):
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    with pytest.raises(RuntimeError, match="sendfile is not supported for transport"):
        await loop.sendfile(transport, file)
    transport.close()
    await asyncio.sleep(0)


async def test_a_long_file_lets_others_have_their_turn(loop, tmp_path, until):
    """The reader never waits, so the whole could go out at one go."""
    path = tmp_path / "long"
    path.write_bytes(bytes(8_000_000))
    seen = []
    async with connected() as (protocol, peer):
        reading = loop.create_task(read_exactly(peer, 8_000_000))
        with path.open("rb") as file:
            sending = loop.create_task(loop.sendfile(protocol.transport, file))
            while not sending.done():
                seen.append(file.tell())
                await asyncio.sleep(0)
        await reading
    assert len(seen) > 8


async def test_over_tls_without_a_fallback_is_refused(loop, file, certificates):
    async with connected_over_tls(certificates) as (client, _):
        with pytest.raises(RuntimeError, match="fallback is disabled"):
            await loop.sendfile(client.transport, file, fallback=False)


@RANGES
@pytest.mark.parametrize("make", [tcp_pair, socket.socketpair], ids=["tcp", "unix"])
async def test_over_a_socket(loop, file, make, offset, count):
    whole = expected(offset, count)
    left, right = make()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        file.seek(5000)
        sending = loop.create_task(loop.sock_sendfile(left, file, offset, count))
        assert await read_exactly(right, len(whole)) == whole
        assert await sending == len(whole)
        assert file.tell() == offset + len(whole)


async def test_over_a_socket_what_has_no_descriptor_is_read_and_written(loop):
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        source = io.BytesIO(CONTENT)
        with pytest.raises(asyncio.SendfileNotAvailableError):
            await loop.sock_sendfile(left, source, fallback=False)
        sending = loop.create_task(loop.sock_sendfile(left, source, 10, 2_000_000))
        assert await read_exactly(right, 2_000_000) == CONTENT[10:2_000_010]
        assert await sending == 2_000_000


async def test_over_a_socket_a_cancelled_one_leaves_no_writer(loop, file, turns):
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        sending = loop.create_task(loop.sock_sendfile(left, file))
        await turns(5)
        assert not sending.done()
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
        assert loop.remove_writer(left) is False


async def test_ranges_that_make_no_sense_are_refused(loop, file):
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        for offset, count in [(-1, None), (0, 0), (0, -1)]:
            with pytest.raises(ValueError, match=r"must be a (positive|non-negative) integer"):
                await loop.sock_sendfile(left, file, offset, count)
