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

from .protocols import Echo, Recorder

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


async def turn(number):
    """One turn of the loop; every fourth is one that asks the system for I/O.

    A loop need not ask while callbacks are ready. A timer, however short, makes it.
    """
    await asyncio.sleep(1e-9 if number % 4 == 3 else 0)


async def cancelled_after(turns, coroutine, first=0):
    """Begin, let the loop make so many turns, cancel; gives (done before, the result or None)."""
    task = asyncio.get_running_loop().create_task(coroutine)
    for number in range(first, first + turns):
        await turn(number)
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
    # Twice, so that the turns that ask for I/O fall on other points of the operation.
    for first in (0, 2):
        for turns in range(most_turns):
            done_before, result = await cancelled_after(turns, operation(peers), first)
            if result is not None:
                await undo(result)
            await peers.settle()
            after = await descriptors_like(before)
            assert after == before, f"cancelled after {turns} turns"
            await peers.check_a_new_connection(b"%d" % turns * 10)
            await peers.settle()
            if done_before and turns > 2:
                break
        if ends:
            assert done_before, f"never done within {most_turns} turns"
    await peers.end()


async def nothing_to_undo(result):
    """For what leaves nothing behind."""
