"""Cancellation at every point an operation waits: no descriptor leaks, no byte goes astray.

Each operation is begun again and again and cancelled after 0, 1, 2 … turns of the loop, until it is
done before the cancellation comes. After each time the open descriptors are those of before, and a
connection opened then, which gets the same descriptor numbers, receives its own bytes alone.
"""

import asyncio
import contextlib
import os
import socket

import pytest

from .protocols import Echo, Recorder, black_hole

MOST_TURNS = 60

# The stock loop leaves a socket to the garbage collector when the cancellation comes after the
# socket was made and before the caller has it.
stock_leaks = pytest.mark.nalsil_only


def descriptors():
    return {
        int(name): os.readlink(f"/proc/self/fd/{name}")
        for name in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{name}")
    }


class Peers:
    """An echo server, and the connections it has."""

    def __init__(self, loop):
        self.loop = loop
        self.protocols = []

    def accept(self):
        self.protocols.append(Echo())
        return self.protocols[-1]

    async def start(self):
        self.server = await self.loop.create_server(self.accept, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()

    async def settle(self):
        """Wait until each connection ended, and what closing them scheduled has run."""
        while not all(protocol.lost.done() for protocol in self.protocols):
            await asyncio.sleep(0.001)
        for _ in range(5):
            await asyncio.sleep(0)
        self.protocols.clear()

    async def check_a_new_connection(self, stamp):
        """A connection made now gets what is its own."""
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            await self.loop.sock_sendall(left, stamp)
            assert await self.loop.sock_recv(right, 100) == stamp
        transport, protocol = await self.loop.create_connection(Recorder, *self.address)
        transport.write(stamp)
        while len(protocol.data) < len(stamp):
            await asyncio.sleep(0)
        assert protocol.data == stamp
        transport.close()
        assert await protocol.lost is None

    async def end(self):
        self.server.close()
        await asyncio.sleep(0.005)
        await self.settle()


async def descriptors_like(before):
    """The open descriptors, once they are those of before, or at the latest after a while.

    A server may have yet to accept, and to lose, a connection whose client is gone already.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 5
    while (now := descriptors()) != before and loop.time() < deadline:
        await asyncio.sleep(0.001)
    return now


async def cancelled_after(turns, coroutine):
    """Begin, let the loop make so many turns, cancel; gives (done before, the result or None)."""
    task = asyncio.get_running_loop().create_task(coroutine)
    for _ in range(turns):
        await asyncio.sleep(0)
    done_before = task.done()
    task.cancel()
    try:
        return done_before, await task
    except asyncio.CancelledError:
        return False, None


async def cancel_at_every_point(loop, operation, undo, most_turns=MOST_TURNS, ends=True):
    """Run the whole of what this file is about for one operation.

    `operation(peers)` gives the coroutine, `undo(result)` takes back what it made when it was done.
    """
    peers = Peers(loop)
    await peers.start()
    # What the first time opens and keeps (threads, caches) is no leak.
    with contextlib.suppress(TimeoutError):
        await undo(await asyncio.wait_for(operation(peers), 5 if ends else 0.01))
    await peers.check_a_new_connection(b"warm up")
    await peers.settle()
    before = descriptors()
    for turns in range(most_turns):
        done_before, result = await cancelled_after(turns, operation(peers))
        if result is not None:
            await undo(result)
        await peers.settle()
        after = await descriptors_like(before)
        assert after == before, f"cancelled after {turns} turns"
        await peers.check_a_new_connection(b"%d" % turns * 10)
        await peers.settle()
        if done_before and turns > 2:
            break
    await peers.end()
    if ends:
        assert done_before, f"never done within {most_turns} turns"


async def close_connection(result):
    transport, protocol = result
    transport.close()
    await protocol.lost


async def close_streams(result):
    _, writer = result
    writer.close()
    await writer.wait_closed()


async def close_server(server):
    server.close()


async def nothing_to_undo(result):
    return None


async def test_create_connection(loop):
    await cancel_at_every_point(
        loop, lambda peers: loop.create_connection(Recorder, *peers.address), close_connection
    )


async def test_create_connection_by_name(loop):
    # The lookup in a thread takes as many turns as it takes.
    await cancel_at_every_point(
        loop,
        lambda peers: loop.create_connection(
            Recorder, "localhost", peers.address[1], family=socket.AF_INET
        ),
        close_connection,
        ends=False,
    )


async def test_create_connection_that_stays_pending(loop):
    with black_hole() as hole:
        await cancel_at_every_point(
            loop,
            lambda peers: loop.create_connection(Recorder, *hole),
            close_connection,
            most_turns=12,
            ends=False,
        )


async def test_create_connection_from_a_local_address(loop):
    await cancel_at_every_point(
        loop,
        lambda peers: loop.create_connection(Recorder, *peers.address, local_addr=("127.0.0.3", 0)),
        close_connection,
    )


@stock_leaks
def test_create_connection_with_happy_eyeballs(new_loop):
    class Resolving(type(new_loop())):
        async def getaddrinfo(self, host, port, **options):
            if host != "somewhere.test":
                return await super().getaddrinfo(host, port, **options)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
                for address in (hole, ("127.0.0.1", port))
            ]

    loop = Resolving()
    with black_hole() as hole:
        try:
            loop.run_until_complete(
                cancel_at_every_point(
                    loop,
                    lambda peers: loop.create_connection(
                        Recorder, "somewhere.test", peers.address[1], happy_eyeballs_delay=0
                    ),
                    close_connection,
                    ends=False,
                    most_turns=20,
                )
            )
        finally:
            loop.close()


async def test_open_connection(loop):
    await cancel_at_every_point(
        loop, lambda peers: asyncio.open_connection(*peers.address), close_streams
    )


async def test_create_unix_connection(loop, tmp_path):
    path = str(tmp_path / "socket")
    ended = []

    def accept():
        ended.append(Echo())
        return ended[-1]

    server = await loop.create_unix_server(accept, path)

    async def close_both(result):
        await close_connection(result)

    async def connect(peers):
        peers.protocols = ended
        return await loop.create_unix_connection(Recorder, path)

    await cancel_at_every_point(loop, connect, close_both)
    server.close()
    await asyncio.sleep(0)


@stock_leaks
async def test_create_server(loop):
    await cancel_at_every_point(
        loop, lambda peers: loop.create_server(Recorder, "127.0.0.1", 0), close_server
    )


@stock_leaks
async def test_create_server_on_several_hosts(loop):
    await cancel_at_every_point(
        loop,
        lambda peers: loop.create_server(Recorder, ["127.0.0.1", "127.0.0.2", "::1"], 0),
        close_server,
    )


@stock_leaks
async def test_start_server(loop):
    await cancel_at_every_point(
        loop,
        lambda peers: asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0),
        close_server,
    )


@stock_leaks
async def test_create_unix_server(loop, tmp_path):
    path = str(tmp_path / "socket")
    await cancel_at_every_point(
        loop, lambda peers: loop.create_unix_server(Recorder, path), close_server
    )


async def test_connect_accepted_socket(loop):
    others = []

    async def operation(peers):
        left, right = socket.socketpair()
        others.append(right)
        try:
            return await loop.connect_accepted_socket(Recorder, left)
        finally:
            right.close()

    await cancel_at_every_point(loop, operation, close_connection)


@stock_leaks
async def test_serving_ended_in_the_middle_of_an_accept(loop):
    async def operation(peers):
        accepted = []

        def accept():
            accepted.append(Recorder())
            return accepted[-1]

        server = await loop.create_server(accept, "127.0.0.1", 0)
        clients = [socket.socket() for _ in range(3)]
        try:
            for client in clients:
                client.setblocking(False)
                await loop.sock_connect(client, server.sockets[0].getsockname())
            while len(accepted) < 3:
                await asyncio.sleep(0)
        finally:
            server.close()
            for client in clients:
                client.close()
            peers.protocols += accepted

    await cancel_at_every_point(loop, operation, nothing_to_undo, ends=False, most_turns=30)


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


async def test_transports_closed_at_every_point(loop):
    async def operation(peers):
        transport, protocol = await loop.create_connection(Recorder, *peers.address)
        try:
            transport.write(b"x" * 300_000)
            while len(protocol.data) < 300_000:
                await asyncio.sleep(0)
        finally:
            transport.abort()
            peers.protocols.append(protocol)
        return True

    await cancel_at_every_point(loop, operation, nothing_to_undo, ends=False, most_turns=30)
