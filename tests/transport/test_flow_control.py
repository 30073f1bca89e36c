"""Flow control: the limits, and when a protocol is told to pause."""

import asyncio

import pytest

from .protocols import Recorder, connected, read_exactly


async def test_limits_are_64_kib_and_a_quarter_of_it():
    async with connected() as (protocol, _):
        assert protocol.transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        assert protocol.transport.get_write_buffer_size() == 0


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 1000, "low": 10}, (10, 1000)),
        ({"high": 0}, (0, 0)),
        ({"high": 5, "low": 5}, (5, 5)),
        ({}, (16 * 1024, 64 * 1024)),
    ],
)
async def test_limits_may_be_set(arguments, limits):
    async with connected() as (protocol, _):
        protocol.transport.set_write_buffer_limits(**arguments)
        assert protocol.transport.get_write_buffer_limits() == limits


@pytest.mark.parametrize("arguments", [{"high": 5, "low": 6}, {"high": -1}, {"low": -1, "high": 5}])
async def test_impossible_limits_are_refused(arguments):
    async with connected() as (protocol, _):
        with pytest.raises(ValueError, match=r"must be >= low .* must be >= 0"):
            protocol.transport.set_write_buffer_limits(**arguments)


async def test_writing_over_the_limit_pauses_and_draining_resumes(until):
    async with connected() as (protocol, peer):
        transport = protocol.transport
        written = 0
        while "pause_writing" not in protocol.calls:
            transport.write(b"x" * 10_000)
            written += 10_000
        assert transport.get_write_buffer_size() > 64 * 1024
        transport.write(b"x" * 10_000)
        written += 10_000
        assert protocol.calls == ["connection_made", "pause_writing"]
        await read_exactly(peer, written)
        await until(lambda: "resume_writing" in protocol.calls)
        assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]
        assert transport.get_write_buffer_size() <= 16 * 1024


async def test_resuming_waits_for_the_low_limit(until):
    async with connected() as (protocol, peer):
        transport = protocol.transport
        transport.set_write_buffer_limits(high=500_000, low=0)
        transport.write(b"x" * 3_000_000)
        assert protocol.calls[-1] == "pause_writing"
        waiting = transport.get_write_buffer_size()
        await read_exactly(peer, 1_000_000)
        await until(lambda: transport.get_write_buffer_size() < waiting)
        assert protocol.calls[-1] == "pause_writing"
        await read_exactly(peer, 2_000_000)
        await until(lambda: protocol.calls[-1] == "resume_writing")
        assert transport.get_write_buffer_size() == 0


async def test_a_high_limit_of_zero_pauses_at_the_first_byte_that_waits():
    async with connected() as (protocol, _):
        protocol.transport.set_write_buffer_limits(high=0)
        while protocol.transport.get_write_buffer_size() == 0:
            assert "pause_writing" not in protocol.calls
            protocol.transport.write(b"x" * 100_000)
        assert protocol.calls[-1] == "pause_writing"


async def test_a_lower_limit_pauses_at_the_next_write():
    async with connected() as (protocol, _):
        transport = protocol.transport
        transport.set_write_buffer_limits(high=100_000_000)
        transport.write(b"x" * 3_000_000)
        assert protocol.calls == ["connection_made"]
        transport.set_write_buffer_limits(high=10)
        if "pause_writing" not in protocol.calls:
            transport.write(b"x")
        assert protocol.calls[-1] == "pause_writing"


@pytest.mark.nalsil_only  # the stock loop does so only in later patch releases
async def test_writelines_pauses_too():
    async with connected() as (protocol, _):
        protocol.transport.writelines([b"x" * 1_000_000] * 3)
        assert protocol.calls == ["connection_made", "pause_writing"]


async def test_the_size_is_what_waits():
    async with connected() as (protocol, peer):
        transport = protocol.transport
        transport.write(b"x" * 3_000_000)
        waiting = transport.get_write_buffer_size()
        assert 0 < waiting < 3_000_000
        transport.write(b"x" * 1000)
        assert transport.get_write_buffer_size() == waiting + 1000
        await read_exactly(peer, 3_001_000)


async def test_a_writer_in_resume_writing_keeps_the_order(until):
    class Producer(Recorder):
        number = 0

        def resume_writing(self):
            super().resume_writing()
            self.produce()

        def produce(self):
            while self.number < 200 and self.calls[-1] != "pause_writing":
                self.transport.write(bytes([self.number]) * 20_000)
                self.number += 1

    async with connected(Producer) as (protocol, peer):
        protocol.produce()
        assert protocol.number < 200
        received = await read_exactly(peer, 200 * 20_000)
        assert received == b"".join(bytes([n]) * 20_000 for n in range(200))
        await until(lambda: protocol.calls.count("resume_writing") > 1)


async def test_abort_while_paused_ends_without_a_resume():
    async with connected() as (protocol, _):
        protocol.transport.write(b"x" * 3_000_000)
        protocol.transport.abort()
        await protocol.lost
        assert protocol.calls == ["connection_made", "pause_writing", "connection_lost"]


async def test_drain_waits_for_the_peer(loop):
    import socket

    ours, peer = socket.socketpair()
    peer.setblocking(False)
    with peer:
        _, writer = await asyncio.open_unix_connection(sock=ours)
        writer.write(b"x" * 3_000_000)
        drain = loop.create_task(writer.drain())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not drain.done()
        await read_exactly(peer, 3_000_000)
        await drain
        writer.close()
        await writer.wait_closed()
