"""The `sock_*` coroutines, cancelled at every point: see `cancellation`."""

import asyncio
import contextlib
import os
import socket

import pytest

from .cancellation import cancel_at_every_point, cancelled_after, nothing_to_undo, stock_leaks
from .protocols import black_hole


async def test_sock_connect(loop):
    async def operation(peers):
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, peers.address)
            return True

    await cancel_at_every_point(loop, operation, nothing_to_undo)


async def test_sock_connect_that_stays_pending(loop):
    async def operation(peers):
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, hole)

    with black_hole() as hole:
        await cancel_at_every_point(loop, operation, nothing_to_undo, ends=False, most_turns=12)


@stock_leaks
async def test_sock_accept(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        async def operation(peers):
            with socket.socket() as client:
                client.setblocking(False)
                accepting = loop.create_task(loop.sock_accept(listener))
                try:
                    await asyncio.sleep(0)
                    await loop.sock_connect(client, listener.getsockname())
                    conn, _ = await accepting
                    conn.close()
                    return True
                finally:
                    accepting.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        conn, _ = await accepting
                        conn.close()

        await cancel_at_every_point(loop, operation, nothing_to_undo, ends=False, most_turns=6)


async def test_sock_accept_of_a_connection_that_comes_later_loses_none(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        for turns in range(8):
            _, result = await cancelled_after(turns, loop.sock_accept(listener))
            assert result is None
            with socket.create_connection(listener.getsockname()) as client:
                conn, address = await loop.sock_accept(listener)
                assert address == client.getsockname()
                conn.close()


RECEIVING = {
    "sock_recv": lambda loop, sock: loop.sock_recv(sock, 100),
    "sock_recv_into": lambda loop, sock: loop.sock_recv_into(sock, bytearray(100)),
    "sock_recvfrom": lambda loop, sock: loop.sock_recvfrom(sock, 100),
    "sock_recvfrom_into": lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(100)),
}


@pytest.mark.parametrize("name", RECEIVING)
async def test_receiving(loop, name):
    async def operation(peers):
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with left, right:
            left.setblocking(False)
            await RECEIVING[name](loop, left)

    async def operation_that_ends(peers):
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with left, right:
            left.setblocking(False)
            loop.call_soon(lambda: loop.call_soon(right.send, b"x"))
            await RECEIVING[name](loop, left)
            return True

    await cancel_at_every_point(loop, operation, nothing_to_undo, most_turns=8, ends=False)
    await asyncio.sleep(0)
    with contextlib.suppress(OSError):
        await cancelled_after(3, operation_that_ends(None))


@pytest.mark.parametrize("name", RECEIVING)
async def test_a_cancelled_receive_takes_nothing_that_comes_later(loop, name):
    for turns in range(8):
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with left, right:
            left.setblocking(False)
            _, result = await cancelled_after(turns, RECEIVING[name](loop, left))
            assert result is None
            right.send(b"for the next one")
            for _ in range(3):
                await asyncio.sleep(0)
            assert await loop.sock_recv(left, 100) == b"for the next one"


async def test_a_descriptor_used_again_does_not_wake_a_cancelled_receive(loop):
    for turns in range(6):
        left, right = socket.socketpair()
        left.setblocking(False)
        number = left.fileno()
        task = loop.create_task(loop.sock_recv(left, 100))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        left.close()
        right.close()
        again, other = socket.socketpair()
        with again, other:
            again.setblocking(False)
            assert again.fileno() == number
            other.send(b"new")
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await loop.sock_recv(again, 100) == b"new"


async def test_sock_sendall(loop):
    async def operation(peers):
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            await loop.sock_sendall(left, b"x" * 5_000_000)

    await cancel_at_every_point(loop, operation, nothing_to_undo, most_turns=8, ends=False)


async def test_a_cancelled_sock_sendall_sends_nothing_more(loop):
    for turns in range(1, 6):
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            _, result = await cancelled_after(turns, loop.sock_sendall(left, b"a" * 5_000_000))
            assert result is None
            while right.recv(1 << 20):
                for _ in range(3):
                    await asyncio.sleep(0)
                try:
                    right.recv(1, socket.MSG_PEEK)
                except BlockingIOError:
                    break
            await loop.sock_sendall(left, b"b")
            assert await loop.sock_recv(right, 10) == b"b"


async def test_sock_sendto(loop, tmp_path):
    path = str(tmp_path / "socket")

    async def operation(peers):
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind(path)
            sender.setblocking(False)
            try:
                # Until the receiver's queue is full, and then it waits.
                while True:
                    await loop.sock_sendto(sender, b"x" * 1000, path)
                    await asyncio.sleep(0)
            finally:
                os.unlink(path)

    await cancel_at_every_point(loop, operation, nothing_to_undo, most_turns=30, ends=False)
