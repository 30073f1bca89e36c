"""Messages through a pipe whose both ends the loop has."""

import asyncio
import os
from typing import cast

SIZE = 64 * 1_024
"""Bytes of a message: as much as a pipe holds."""


class Writer(asyncio.BaseProtocol):
    """Writes the next message when it is told to."""

    transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transport is an `asyncio.WriteTransport`.
        self.transport = cast(asyncio.WriteTransport, transport)

    def pause_writing(self) -> None:
        """Nothing: there is one message under way."""

    def resume_writing(self) -> None:
        """Nothing, as above."""


class Reader(asyncio.Protocol):
    """Asks for the next message when one is there whole, until `left` of them are."""

    def __init__(self, writer: Writer, left: int) -> None:
        self.writer = writer
        self.left = left
        self.received = 0
        self.message = bytes(SIZE)
        self.done = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.received < SIZE:
            return
        self.received -= SIZE
        self.left -= 1
        if self.left:
            self.writer.transport.write(self.message)
        else:
            self.done.set_result(None)


async def through_pipe(loop: asyncio.AbstractEventLoop, count: int) -> None:
    """Send `count` messages, one after the other."""
    reading, writing = os.pipe()
    _, writer = await loop.connect_write_pipe(Writer, os.fdopen(writing, "wb", 0))
    transport, reader = await loop.connect_read_pipe(
        lambda: Reader(writer, count), os.fdopen(reading, "rb", 0)
    )
    writer.transport.write(reader.message)
    await reader.done
    writer.transport.close()
    transport.close()
    await asyncio.sleep(0)
