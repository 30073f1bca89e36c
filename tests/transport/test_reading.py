"""Reading over TCP: what is left after one read is read, though nothing more arrives."""

import asyncio
import socket

import pytest

from .protocols import BufferedRecorder, Recorder, connected


def tcp(factory=Recorder):
    return connected(factory, socket.AF_INET)


async def test_a_small_buffer_is_filled_again_and_again(until):
    async with tcp(lambda: BufferedRecorder(7)) as (protocol, peer):
        peer.send(b"0123456789" * 10)
        await until(lambda: len(protocol.data) == 100)
        assert protocol.calls.count("buffer_updated") == 15


@pytest.mark.parametrize("size", [3_000, 4_096, 16_384, 65_536, 126_976, 262_144, 1_000_000])
async def test_messages_of_all_sizes_arrive_whole(loop, until, size):
    async with tcp() as (protocol, peer):
        for message in (bytes(size), b"x" * 10, b"y" * size, b"z" * (4 * size)):
            del protocol.data[:]
            await loop.sock_sendall(peer, message)
            await until(lambda message=message: len(protocol.data) == len(message))
            assert protocol.data == message


@pytest.mark.parametrize("factory", [Recorder, BufferedRecorder])
async def test_the_end_that_comes_with_the_data_is_told(factory):
    async with tcp(factory) as (protocol, peer):
        protocol.transport.pause_reading()
        peer.send(b"all")
        peer.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0)
        protocol.transport.resume_reading()
        assert await protocol.lost is None
        assert protocol.data == b"all"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_urgent_data_stops_nothing(until):
    async with tcp() as (protocol, peer):
        protocol.transport.pause_reading()
        peer.send(b"before")
        peer.send(b"!", socket.MSG_OOB)
        peer.send(b"after")
        await asyncio.sleep(0)
        protocol.transport.resume_reading()
        await until(lambda: protocol.data == b"beforeafter")


async def test_what_arrives_during_a_pause_is_read_after_it(until):
    async with tcp() as (protocol, peer):
        for number in range(1, 4):
            protocol.transport.pause_reading()
            peer.send(b"x")
            # Some turns with the data there, and some without a look at the pause.
            for _ in range(number):
                await asyncio.sleep(0)
            protocol.transport.resume_reading()
            await until(lambda number=number: len(protocol.data) == number)


async def test_a_pause_in_the_middle_of_a_message_keeps_the_rest(until):
    class Pausing(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.transport.pause_reading()

    async with tcp(lambda: Pausing(10)) as (protocol, peer):
        peer.send(b"x" * 35)
        for reads in range(1, 5):
            await until(lambda reads=reads: protocol.calls.count("buffer_updated") == reads)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert protocol.calls.count("buffer_updated") == reads
            protocol.transport.resume_reading()
        await until(lambda: len(protocol.data) == 35)


async def test_reading_goes_on_after_a_wait_for_room_to_write(loop, until):
    async with tcp() as (protocol, peer):
        protocol.transport.write(bytes(8_000_000))
        assert protocol.transport.get_write_buffer_size() > 0
        peer.send(b"while it waits")
        await until(lambda: protocol.data == b"while it waits")
        received = 0
        while received < 8_000_000:
            received += len(await loop.sock_recv(peer, 1 << 20))
        await until(lambda: protocol.transport.get_write_buffer_size() == 0)
        peer.send(b", and after")
        await until(lambda: protocol.data == b"while it waits, and after")
