"""Streams: open_connection and start_server over the loop's transports."""

import asyncio
import contextlib

import pytest


@contextlib.asynccontextmanager
async def talking(handler, **options):
    """A server with this handler, and a reader and writer connected to it."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, **options)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), **options)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        await asyncio.sleep(0.005)


async def echo(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def sending(data):
    """A handler that sends this and ends."""

    async def handler(reader, writer):
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return handler


async def test_lines():
    async with talking(sending(b"one\ntwo\nthree")) as (reader, _):
        assert await reader.readline() == b"one\n"
        assert await reader.readline() == b"two\n"
        assert await reader.readline() == b"three"
        assert await reader.readline() == b""
        assert reader.at_eof()


async def test_lines_by_async_for():
    async with talking(sending(b"one\ntwo\n")) as (reader, _):
        assert [line async for line in reader] == [b"one\n", b"two\n"]


async def test_readexactly_and_read():
    async with talking(sending(b"0123456789")) as (reader, _):
        assert await reader.readexactly(4) == b"0123"
        assert await reader.read() == b"456789"
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readexactly(1)
        assert caught.value.partial == b""


async def test_readuntil():
    async with talking(sending(b"a--b--c")) as (reader, _):
        assert await reader.readuntil(b"--") == b"a--"
        assert await reader.readuntil(b"--") == b"b--"
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await reader.readuntil(b"--")
        assert caught.value.partial == b"c"


async def test_a_line_over_the_limit_is_told():
    async with talking(sending(b"x" * 1000 + b"\n"), limit=100) as (reader, _):
        with pytest.raises(ValueError, match="limit"):
            await reader.readline()


async def test_a_line_longer_than_any_packet():
    line = b"x" * 3_000_000 + b"\n"
    async with talking(sending(line), limit=4_000_000) as (reader, _):
        assert await reader.readline() == line


async def test_a_round_trip_of_every_size():
    async with talking(echo) as (reader, writer):
        for size in [1, 2, 100, 1023, 1024, 65_535, 65_536, 65_537, 262_144, 262_145, 1_000_000]:
            data = bytes(n % 251 for n in range(size))
            writer.write(data)
            assert await reader.readexactly(size) == data
            await writer.drain()


async def test_writelines():
    async with talking(echo) as (reader, writer):
        writer.writelines([b"one ", b"two ", b"three"])
        assert await reader.readexactly(13) == b"one two three"


async def test_write_eof_ends_the_peers_reading():
    async with talking(echo) as (reader, writer):
        assert writer.can_write_eof()
        writer.write(b"all of it")
        writer.write_eof()
        assert await reader.read() == b"all of it"


async def test_a_pause_by_the_reader_holds_the_sender():
    async def send_much(reader, writer):
        for _ in range(100):
            writer.write(b"x" * 100_000)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with talking(send_much, limit=1000) as (reader, _):
        await asyncio.sleep(0.01)
        received = 0
        while data := await reader.read(50_000):
            received += len(data)
        assert received == 10_000_000


async def test_extra_info_and_closing():
    async with talking(echo) as (_, writer):
        assert writer.get_extra_info("peername")[0] == "127.0.0.1"
        assert not writer.is_closing()
        writer.close()
        assert writer.is_closing()
        await writer.wait_closed()


async def test_reading_is_told_of_a_reset():
    async def slam(reader, writer):
        await reader.read(1)
        writer.transport.abort()

    async with talking(slam) as (reader, writer):
        # What the peer has not read turns its end into a reset.
        writer.write(b"xyz" * 1000)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.stock_since(3, 12)
async def test_a_handler_that_raises_is_reported(reported, until):
    async def broken(reader, writer):
        try:
            raise LookupError("in the handler")
        finally:
            writer.close()

    async with talking(broken) as (reader, _):
        assert await reader.read() == b""
        await until(lambda: reported)
    assert isinstance(reported[0]["exception"], LookupError)


async def test_two_hundred_clients(loop):
    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=200)
    address = server.sockets[0].getsockname()

    async def client(number):
        reader, writer = await asyncio.open_connection(*address)
        for turn in range(10):
            line = b"%d of %d\n" % (turn, number)
            writer.write(line)
            await writer.drain()
            assert await reader.readline() == line
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client(number) for number in range(200)))
    server.close()
    await asyncio.sleep(0.01)


async def test_cancelled_reads_lose_nothing():
    async with talking(echo) as (reader, writer):
        for number in range(50):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await reader.readexactly(10)
            writer.write(b"%010d" % number)
            assert await reader.readexactly(10) == b"%010d" % number
