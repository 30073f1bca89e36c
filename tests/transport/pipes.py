"""Protocols over pipes, and the other ends to talk to them."""

import asyncio
import contextlib
import os

from .protocols import Recorder


def opened(fd, mode):
    """A file object over a descriptor, without a buffer, as `subprocess` makes them."""
    return open(fd, mode, 0)


@contextlib.asynccontextmanager
async def reading(pipe, factory=Recorder):
    """The protocol of a reading transport over `pipe`, which is ended with the block."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_read_pipe(factory, pipe)
    try:
        yield protocol
    finally:
        if not protocol.lost.done():
            transport.close()
            await protocol.lost
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def writing(pipe, factory=Recorder):
    """The same for a writing transport."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(factory, pipe)
    try:
        yield protocol
    finally:
        if not protocol.lost.done():
            transport.abort()
            await protocol.lost
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def reading_from_pipe(factory=Recorder):
    """A protocol that reads from a pipe, and the file object that writes to it."""
    ours, theirs = os.pipe()
    with opened(theirs, "wb") as theirs:
        async with reading(opened(ours, "rb"), factory) as protocol:
            yield protocol, theirs


@contextlib.asynccontextmanager
async def writing_to_pipe(factory=Recorder):
    """A protocol that writes to a pipe, and the non-blocking file object that reads from it."""
    theirs, ours = os.pipe()
    os.set_blocking(theirs, False)
    with opened(theirs, "rb") as theirs:
        async with writing(opened(ours, "wb"), factory) as protocol:
            yield protocol, theirs


async def take(pipe, count):
    """The next `count` bytes of a non-blocking file object, read as they come."""
    taken = bytearray()
    while len(taken) < count:
        part = pipe.read(count - len(taken))
        if part is None:
            await asyncio.sleep(0.001)
            continue
        assert part, f"the pipe ended after {len(taken)} of {count} bytes"
        taken += part
    return bytes(taken)
