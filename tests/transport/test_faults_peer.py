"""Peers that reset, leave half-way, read slowly or send all they can."""

import asyncio
import gc
import hashlib
import socket
import threading
import time

import pytest

from .protocols import Recorder, connected, read_exactly, tcp_pair

RESET = b"\1\0\0\0\0\0\0\0"


def reset(sock):
    """Close a TCP socket so that its peer sees a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


async def test_a_reset_while_reading_is_paused_is_seen_when_writing(until):
    async with connected(family=socket.AF_INET) as (protocol, peer):
        protocol.transport.pause_reading()
        reset(peer)
        while not protocol.lost.done():
            protocol.transport.write(b"x")
            await asyncio.sleep(0)
        assert isinstance(await protocol.lost, ConnectionResetError | BrokenPipeError)


async def test_a_reset_with_much_still_to_write_drops_it(until):
    async with connected(family=socket.AF_INET) as (protocol, peer):
        protocol.transport.write(b"x" * 20_000_000)
        assert protocol.transport.get_write_buffer_size() > 0
        reset(peer)
        assert isinstance(await protocol.lost, ConnectionResetError | BrokenPipeError)
        assert protocol.transport.get_write_buffer_size() == 0


async def test_data_before_a_close_arrives_before_the_end(until):
    async with connected(family=socket.AF_INET) as (protocol, peer):
        peer.send(b"last words")
        peer.close()
        assert await protocol.lost is None
        assert protocol.data == b"last words"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_both_half_closes_meet(until):
    async with connected(lambda: Recorder(keep_open=True), socket.AF_INET) as (protocol, peer):
        protocol.transport.write_eof()
        assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""
        peer.shutdown(socket.SHUT_WR)
        await until(lambda: "eof_received" in protocol.calls)
        protocol.transport.close()
        assert await protocol.lost is None


async def test_a_half_close_kept_open_uses_no_cpu(turns):
    async with connected(lambda: Recorder(keep_open=True)) as (protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        while "eof_received" not in protocol.calls:
            await asyncio.sleep(0)
        before = time.process_time()
        await asyncio.sleep(0.2)
        assert time.process_time() - before < 0.1


async def test_a_reset_of_one_connection_leaves_the_others_alone(loop):
    pairs = [tcp_pair() for _ in range(20)]
    protocols = [(await loop.create_connection(Recorder, sock=ours))[1] for ours, _ in pairs]
    for number, (_, peer) in enumerate(pairs):
        peer.setblocking(False)
        if number % 2:
            reset(peer)
        else:
            peer.send(b"%d" % number)
    for number, (protocol, (_, peer)) in enumerate(zip(protocols, pairs, strict=True)):
        if number % 2:
            assert isinstance(await protocol.lost, ConnectionResetError)
        else:
            while not protocol.data:
                await asyncio.sleep(0)
            assert protocol.data == b"%d" % number
            protocol.transport.close()
            assert await protocol.lost is None
            peer.close()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
@pytest.mark.parametrize("at_once", [True, False], ids=["one write", "with drain"])
async def test_100_mb_to_a_slow_reader_arrive_whole(loop, family, at_once):
    size, part = 100_000_000, 65_536
    data = hashlib.shake_128(b"seed").digest(1_000_003) * (size // 1_000_003 + 1)
    data = data[:size]
    ours, peer = tcp_pair() if family == socket.AF_INET else socket.socketpair()
    received = hashlib.sha256()

    def read_slowly():
        peer.setblocking(True)
        while chunk := peer.recv(part):
            received.update(chunk)

    with peer:
        reader = threading.Thread(target=read_slowly)
        reader.start()
        _, writer = (
            await asyncio.open_connection(sock=ours)
            if family == socket.AF_INET
            else await asyncio.open_unix_connection(sock=ours)
        )
        if at_once:
            writer.write(data)
        else:
            view = memoryview(data)
            for start in range(0, size, part):
                writer.write(view[start : start + part])
                await writer.drain()
                assert writer.transport.get_write_buffer_size() <= 64 * 1024 + part
        writer.close()
        await writer.wait_closed()
        await loop.run_in_executor(None, reader.join)
    assert received.hexdigest() == hashlib.sha256(data).hexdigest()


def test_what_waits_to_be_written_takes_no_more_than_itself(program):
    done = program("""
        import asyncio, resource, socket
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        async def main():
            ours, peer = socket.socketpair()
            peer.setblocking(False)
            _, writer = await asyncio.open_unix_connection(sock=ours)
            size = 100_000_000
            data = b"x" * size
            before = peak()
            writer.write(data)
            del data
            loop = asyncio.get_running_loop()
            buffer = bytearray(1 << 16)
            left = size
            while left:
                left -= await loop.sock_recv_into(peer, buffer)
            print((peak() - before) // 1_000_000)
            writer.close()
            await writer.wait_closed()
            peer.close()
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 110, "MB more than the data itself"


def test_memory_comes_back_after_a_large_write(program):
    done = program("""
        import asyncio, socket
        def resident():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096
        async def main():
            loop = asyncio.get_running_loop()
            ours, peer = socket.socketpair()
            peer.setblocking(False)
            _, writer = await asyncio.open_unix_connection(sock=ours)
            before = resident()
            for _ in range(5):
                writer.write(b"x" * 50_000_000)
                left = 50_000_000
                buffer = bytearray(1 << 20)
                while left:
                    left -= await loop.sock_recv_into(peer, buffer)
                await writer.drain()
            print((resident() - before) // 1_000_000)
            writer.close()
            await writer.wait_closed()
            peer.close()
        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """)
    assert done.returncode == 0, done.stderr
    # Of 250 MB written, at most one part may stay with the allocator.
    assert int(done.stdout) < 60


async def test_a_fast_sender_is_received_whole(loop):
    size = 100_000_000
    ours, peer = tcp_pair()

    class Counter(asyncio.Protocol):
        def __init__(self):
            self.hash = hashlib.sha256()
            self.lost = loop.create_future()

        def data_received(self, data):
            self.hash.update(data)

        def connection_lost(self, exc):
            self.lost.set_result(exc)

    chunk = hashlib.shake_128(b"other").digest(1_000_000)

    def send_all():
        peer.setblocking(True)
        with peer:
            for _ in range(size // len(chunk)):
                peer.sendall(chunk)

    sender = threading.Thread(target=send_all)
    sender.start()
    _, protocol = await loop.create_connection(Counter, sock=ours)
    assert await protocol.lost is None
    sender.join()
    assert protocol.hash.digest() == hashlib.sha256(chunk * (size // len(chunk))).digest()


async def test_one_byte_at_a_time_arrives_whole(until):
    async with connected(family=socket.AF_INET) as (protocol, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = bytes(range(256)) * 4
        for number in range(len(data)):
            peer.send(data[number : number + 1])
            if number % 16 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(protocol.data) == len(data))
        assert protocol.data == data


async def test_a_tiny_send_buffer_still_sends_all(until):
    async with connected() as (protocol, peer):
        sock = protocol.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        data = bytes(range(256)) * 2000
        protocol.transport.write(data)
        protocol.transport.writelines([data, data])
        assert await read_exactly(peer, 3 * len(data)) == data * 3


async def test_transports_that_nobody_holds_live_while_they_are_connected(loop):
    received = []

    class Fleeting(asyncio.Protocol):
        def data_received(self, data):
            received.append(data)

        def connection_lost(self, exc):
            received.append(exc)

    ours, peer = socket.socketpair()
    with peer:
        await loop.create_unix_connection(Fleeting, sock=ours)
        del ours
        gc.collect()
        peer.send(b"still there")
        while not received:
            await asyncio.sleep(0)
        assert received == [b"still there"]
    while len(received) < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
