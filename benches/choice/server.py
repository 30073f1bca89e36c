"""An HTTP/1.1 server that answers after a set time, in a process of its own.

`GET /after/MS/BYTES` answers after MS milliseconds with a JSON document of about BYTES bytes.
`GET /limited/MS/BYTES` does the same for 50 requests at a time; the others wait their turn.
It prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

LIMIT = 50
VARIABLE = "NALSIL_BENCH_SERVER"
"""Where the works find the port."""


def document(size: int) -> bytes:
    """A JSON document of about that many bytes."""
    entry = {"name": "warp", "threads": [1, 2, 3], "weft": {"colour": "indigo", "width": 1.5}}
    count = max(1, size // len(json.dumps(entry)))
    return json.dumps([entry] * count).encode()


class Answers(asyncio.Protocol):
    """One connection, kept alive; a request at a time."""

    limit: asyncio.Semaphore
    documents: dict[int, bytes] = {}  # noqa: RUF012

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            _, kind, milliseconds, size = head.split(b" ", 2)[1].split(b"/")
            seconds = float(milliseconds) / 1000
            if kind == b"limited":
                task = asyncio.ensure_future(self.in_turn(seconds, int(size)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                asyncio.get_running_loop().call_later(seconds, self.answer, int(size))

    async def in_turn(self, seconds: float, size: int) -> None:
        async with self.limit:
            await asyncio.sleep(seconds)
        self.answer(size)

    def answer(self, size: int) -> None:
        body = self.documents.get(size)
        if body is None:
            body = self.documents[size] = document(size)
        if not self.transport.is_closing():
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            self.transport.write(head.encode() + b"\r\n\r\n" + body)


tasks: set[asyncio.Task[None]] = set()


async def serve() -> None:
    loop = asyncio.get_running_loop()
    Answers.limit = asyncio.Semaphore(LIMIT)
    server = await loop.create_server(Answers, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(0, ended.set)
    await ended.wait()


@contextlib.contextmanager
def running() -> Iterator[None]:
    """The server, and its port in the environment of what is started meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benches.choice.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        os.environ[VARIABLE] = process.stdout.readline().strip()
        try:
            yield
        finally:
            process.stdin.close()
            del os.environ[VARIABLE]


if __name__ == "__main__":
    asyncio.run(serve())
