"""Who is faster than the other has to wait, and little is kept meanwhile."""

import asyncio

import pytest
from transport.protocols import Recorder

from .peer import connected


async def test_pausing_keeps_data_back(certificates, until, turns):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.pause_reading()
        assert not protocol.transport.is_reading()
        await peer.write(b"held back")
        await turns(10)
        assert protocol.data == b""
        protocol.transport.resume_reading()
        assert protocol.transport.is_reading()
        await until(lambda: protocol.data == b"held back")


async def test_pausing_inside_a_callback_holds_the_next_record(certificates, until, turns):
    class OneAtATime(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async with connected(certificates, OneAtATime) as (protocol, peer):
        await peer.write(b"first")
        await until(lambda: protocol.data)
        await peer.write(b"second")
        await turns(10)
        assert protocol.data == b"first"
        protocol.transport.resume_reading()
        await until(lambda: protocol.data == b"firstsecond")


@pytest.mark.nalsil_only  # the stock transport never reads again
async def test_pausing_in_connection_made_holds_everything(certificates, until, turns):
    class Paused(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async with connected(certificates, Paused) as (protocol, peer):
        await peer.write(b"early")
        await turns(10)
        assert protocol.calls == ["connection_made"]
        protocol.transport.resume_reading()
        await until(lambda: protocol.data == b"early")


async def test_pausing_and_resuming_may_be_repeated(certificates, until):
    async with connected(certificates) as (protocol, peer):
        for _ in range(3):
            protocol.transport.pause_reading()
        for _ in range(3):
            protocol.transport.resume_reading()
        await peer.write(b"x")
        await until(lambda: protocol.data)


async def test_a_paused_transport_takes_in_little(certificates, turns):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.pause_reading()
        writing = asyncio.ensure_future(peer.write(b"x" * 30_000_000))
        await turns(200)
        assert not writing.done()
        assert protocol.data == b""
        assert protocol.transport.get_read_buffer_size() < 1_000_000
        protocol.transport.resume_reading()
        await writing
        while len(protocol.data) < 30_000_000:
            await asyncio.sleep(0)


@pytest.mark.nalsil_only  # the stock transport hands everything to the transport below
async def test_a_protocol_that_writes_too_much_is_paused_and_resumed(certificates, until):
    async with connected(certificates) as (protocol, peer):
        protocol.transport.set_write_buffer_limits(high=100_000)
        protocol.transport.write(b"x" * 10_000_000)
        assert protocol.calls[-1] == "pause_writing"
        assert protocol.transport.get_write_buffer_size() > 100_000
        await peer.read_exactly(10_000_000)
        await until(lambda: protocol.calls[-1] == "resume_writing")
        assert protocol.transport.get_write_buffer_size() == 0


async def test_limits(certificates):
    async with connected(certificates) as (protocol, _):
        transport = protocol.transport
        assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
        assert transport.get_read_buffer_limits() == (64 * 1024, 256 * 1024)
        for kind in ("write", "read"):
            limit = getattr(transport, f"set_{kind}_buffer_limits")
            limits = getattr(transport, f"get_{kind}_buffer_limits")
            limit(high=1000)
            assert limits() == (250, 1000)
            limit(low=10)
            assert limits() == (10, 40)
            limit(high=7, low=3)
            assert limits() == (3, 7)
            with pytest.raises(ValueError, match=r"high .* must be >= low .* must be >= 0"):
                limit(high=1, low=2)
            limit()
        assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)


async def test_two_floods_meet(certificates):
    """Each side sends more than fits anywhere, and reads while it does."""
    async with connected(certificates) as (protocol, peer):
        protocol.transport.write(b"x" * 20_000_000)

        async def write():
            for _ in range(100):
                await peer.write(b"y" * 100_000)

        writing = asyncio.ensure_future(write())
        assert await peer.read_exactly(20_000_000) == b"x" * 20_000_000
        await writing
        while len(protocol.data) < 10_000_000:
            await asyncio.sleep(0)
        assert protocol.data == b"y" * 10_000_000
