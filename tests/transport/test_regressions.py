"""What broke once around connections: an error of one of them that ended the run, or a spin."""

import asyncio
import contextlib
import errno
import os
import select
import socket
import time

import pytest

from .protocols import Recorder, connected, read_exactly, read_to_end, tcp_pair

RESET = b"\1\0\0\0\0\0\0\0"
IDLE_SECONDS = 0.2


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    with left, right:
        yield left, right


def reset(sock):
    """Close a TCP socket so that its peer sees a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def take_all(sock):
    """Read what is there."""
    with contextlib.suppress(BlockingIOError):
        while sock.recv(1 << 20):
            pass


async def is_idle():
    """Whether the running loop, with nothing to do, uses hardly any CPU."""
    before = time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    return time.process_time() - before < IDLE_SECONDS / 2


async def test_a_reset_before_the_queued_eof_does_not_end_the_run(reported, until):
    class Resets(Recorder):
        def resume_writing(self):
            super().resume_writing()
            number = self.transport.get_extra_info("socket").fileno()
            reset(peer)
            arrived = select.poll()
            arrived.register(number, 0)
            arrived.poll()

    async with connected(Resets, socket.AF_INET) as (protocol, peer):
        protocol.transport.pause_reading()
        protocol.transport.set_write_buffer_limits(high=0)
        protocol.transport.write(b"x" * 20_000_000)
        protocol.transport.write_eof()

        def resumed():
            if "resume_writing" not in protocol.calls:
                take_all(peer)
            return "resume_writing" in protocol.calls

        await until(resumed)
        if not protocol.transport.is_closing():
            protocol.transport.resume_reading()
        assert isinstance(await protocol.lost, OSError)


async def test_an_accept_that_fails_for_good_does_not_end_the_run(loop, reported, until):
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    with server.sockets[0].dup() as same:
        same.shutdown(socket.SHUT_RDWR)
    await until(lambda: reported)
    server.close()
    assert {context["exception"].errno for context in reported} == {errno.EINVAL}


@pytest.mark.nalsil_only  # the stock loop accepts, fails and reports at every turn
async def test_an_accept_that_fails_for_good_does_not_spin(loop, reported, until):
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    with server.sockets[0].dup() as same:
        same.shutdown(socket.SHUT_RDWR)
    await until(lambda: reported)
    assert await is_idle()
    server.close()


# The stock loop keeps the socket object whose close failed, and warns when it goes away.
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
async def test_a_socket_closed_behind_the_loop_s_back_does_not_end_the_run(reported, turns):
    async with connected() as (protocol, _):
        os.close(protocol.transport.get_extra_info("socket").fileno())
        protocol.transport.close()
        assert await protocol.lost is None
        await turns(2)
        assert {context["exception"].errno for context in reported} <= {errno.EBADF}
        reported.clear()


@pytest.mark.nalsil_only  # the stock server waits for that connection for ever
async def test_a_server_counts_a_connection_closed_behind_its_back_as_gone(loop, reported):
    class ClosedAtOnce(asyncio.Protocol):
        def connection_made(self, transport):
            os.close(transport.get_extra_info("socket").fileno())
            transport.close()
            closed.set()

    closed = asyncio.Event()
    server = await loop.create_server(ClosedAtOnce, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        await closed.wait()
        server.close()
        await server.wait_closed()


async def test_drain_raises_when_a_reset_drops_what_it_waits_for(loop):
    ours, peer = tcp_pair()
    _, writer = await asyncio.open_connection(sock=ours)
    writer.transport.pause_reading()
    writer.write(b"x" * 20_000_000)
    draining = loop.create_task(writer.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    reset(peer)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        await draining
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_reset_that_drops_the_queue_does_not_resume_writing():
    async with connected(family=socket.AF_INET) as (protocol, peer):
        protocol.transport.pause_reading()
        protocol.transport.write(b"x" * 20_000_000)
        reset(peer)
        assert isinstance(await protocol.lost, ConnectionResetError | BrokenPipeError)
        assert protocol.calls == ["connection_made", "pause_writing", "connection_lost"]


async def test_a_cancelled_sendall_beside_a_reader_leaves_no_spin(loop, pair, turns):
    left, right = pair
    seen = []
    loop.add_reader(left, lambda: seen.append(left.recv(1)))
    sending = loop.create_task(loop.sock_sendall(left, b"x" * 5_000_000))
    await turns(3)
    sending.cancel()
    await asyncio.wait([sending])
    take_all(right)
    assert await is_idle()
    right.send(b"y")
    while not seen:
        await asyncio.sleep(0)
    assert loop.remove_reader(left) is True
    assert loop.remove_writer(left) is False


async def test_a_cancelled_recv_beside_a_writer_leaves_no_spin(loop, pair, turns):
    left, right = pair
    with contextlib.suppress(BlockingIOError):
        while left.send(b"x" * 10_000):
            pass
    seen = []
    loop.add_writer(left, lambda: (seen.append("room"), loop.remove_writer(left)))
    receiving = loop.create_task(loop.sock_recv(left, 1))
    await turns(3)
    receiving.cancel()
    await asyncio.wait([receiving])
    right.send(b"nobody reads this")
    assert await is_idle()
    take_all(right)
    while not seen:
        await asyncio.sleep(0)
    assert loop.remove_reader(left) is False


def test_an_operation_outlives_a_reader_that_ends_the_run(loop, pair, turns):
    left, right = pair

    def end_the_run():
        loop.remove_reader(left)
        raise SystemExit("from the reader")

    async def finish():
        while not sending.done():
            take_all(right)
            await asyncio.sleep(0)

    sending = loop.create_task(loop.sock_sendall(left, b"x" * 3_000_000))
    loop.add_reader(left, end_the_run)
    loop.run_until_complete(turns(3))
    assert not sending.done()
    # Between two runs, so that the next look at the descriptors finds both.
    right.send(b"y")
    take_all(right)
    with pytest.raises(SystemExit):
        loop.run_forever()
    loop.run_until_complete(finish())
    assert sending.exception() is None


class EndingTheRun(Recorder):
    """Ends the run when there is room again."""

    def resume_writing(self):
        super().resume_writing()
        raise SystemExit("from resume_writing")


def run_twice(loop, main):
    """Run `main` to its end in two runs, the first of which its protocol ends."""
    task = loop.create_task(main)
    with pytest.raises(SystemExit):
        loop.run_until_complete(task)
    loop.run_until_complete(task)


@pytest.mark.nalsil_only  # the stock loop goes on looking for room, with nothing to write
def test_an_exit_out_of_resume_writing_leaves_the_transport_whole(loop):
    async def main():
        async with connected(EndingTheRun) as (protocol, peer):
            protocol.transport.set_write_buffer_limits(high=0)
            protocol.transport.write(b"x" * 2_000_000)
            await read_exactly(peer, 2_000_000)
            while "resume_writing" not in protocol.calls:
                await asyncio.sleep(0)
            assert await is_idle()
            protocol.transport.write(b"y")
            assert await read_exactly(peer, 1) == b"y"

    run_twice(loop, main())


@pytest.mark.nalsil_only  # the stock loop goes on looking for room, and never closes
def test_an_exit_out_of_resume_writing_does_not_stop_a_close(loop):
    async def main():
        async with connected(EndingTheRun) as (protocol, peer):
            protocol.transport.set_write_buffer_limits(high=0)
            protocol.transport.write(b"x" * 2_000_000)
            protocol.transport.close()
            assert len(await read_to_end(peer)) == 2_000_000
            assert await protocol.lost is None

    run_twice(loop, main())
