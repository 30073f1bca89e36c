"""Protocols of a transport: buffered ones, and one put in the place of another."""

import asyncio

from .protocols import BufferedRecorder, Recorder, connected


class TestSetProtocol:
    """Changing the protocol of a living transport."""

    async def test_the_new_one_gets_what_follows(self, until):
        async with connected() as (first, peer):
            second = Recorder()
            first.transport.set_protocol(second)
            assert first.transport.get_protocol() is second
            peer.send(b"x")
            await until(lambda: second.data)
            first.transport.close()
            await second.lost
            assert first.calls == ["connection_made"]
            assert second.calls == ["data_received", "connection_lost"]
            first.lost.set_result(None)

    async def test_may_happen_inside_data_received(self, until):
        class Switch(Recorder):
            def data_received(self, data):
                super().data_received(data)
                self.transport.set_protocol(second)

        second = Recorder()
        async with connected(Switch) as (first, peer):
            peer.send(b"first")
            await until(lambda: first.data)
            peer.send(b"second")
            await until(lambda: second.data)
            assert (first.data, second.data) == (b"first", b"second")
            first.transport.set_protocol(first)

    async def test_from_plain_to_buffered_and_back(self, until):
        async with connected() as (plain, peer):
            buffered = BufferedRecorder()
            plain.transport.set_protocol(buffered)
            peer.send(b"into the buffer")
            await until(lambda: buffered.data == b"into the buffer")
            plain.transport.set_protocol(plain)
            peer.send(b"plain")
            await until(lambda: plain.data == b"plain")
            assert buffered.calls == ["get_buffer", "buffer_updated"]


class TestBuffered:
    """`asyncio.BufferedProtocol`."""

    async def test_receives_into_its_own_buffer(self, until):
        async with connected(BufferedRecorder) as (protocol, peer):
            data = bytes(range(256)) * 100
            await asyncio.get_running_loop().sock_sendall(peer, data)
            await until(lambda: len(protocol.data) == len(data))
            assert protocol.data == data
            assert protocol.calls[:3] == ["connection_made", "get_buffer", "buffer_updated"]

    async def test_ends_as_any_other(self):
        async with connected(BufferedRecorder) as (protocol, peer):
            peer.close()
            assert await protocol.lost is None
            assert protocol.calls[-2:] == ["eof_received", "connection_lost"]

    async def test_a_large_buffer_takes_all_at_once(self, until):
        async with connected(lambda: BufferedRecorder(1 << 20)) as (protocol, peer):
            peer.send(b"x" * 50_000)
            await until(lambda: len(protocol.data) == 50_000)
            assert protocol.calls.count("buffer_updated") == 1

    async def test_a_memoryview_will_do(self, until):
        class Views(BufferedRecorder):
            def get_buffer(self, sizehint):
                return memoryview(self.buffer)[4:8]

            def buffer_updated(self, nbytes):
                self.data += self.buffer[4 : 4 + nbytes]

        async with connected(Views) as (protocol, peer):
            peer.send(b"0123456789")
            await until(lambda: protocol.data == b"0123456789")
