"""A local HTTP server that answers after a set time; `http_requests.py` starts it.

python examples/work/server.py MILLISECONDS ROWS

It prints its port, answers `GET /7` with item 7 as JSON that holds ROWS rows, and ends when its
standard input ends. It is a process of its own, so that it takes no GIL from what is measured.
"""

import asyncio
import json
import sys

import nalsil


class Answers(asyncio.Protocol):
    """One connection that is kept open: a request, a wait, an answer, and again."""

    def __init__(self, seconds: float, rows: bytes) -> None:
        self.seconds = seconds
        self.rows = rows
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received.endswith(b"\r\n\r\n"):
            item = self.received.split(b" ", 2)[1].removeprefix(b"/")
            self.received = b""
            asyncio.get_running_loop().call_later(self.seconds, self.answer, item)

    def answer(self, item: bytes) -> None:
        body = b'{"item": %b, "rows": %b}' % (item, self.rows)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)


def table(rows: int) -> bytes:
    """So many rows of a price list, as JSON."""
    return json.dumps(
        [{"id": n, "name": f"thread {n}", "price": n * 37 % 1009} for n in range(rows)]
    ).encode()


async def main(milliseconds: float, rows: int) -> None:
    """Serve on a free port until standard input ends."""
    loop = asyncio.get_running_loop()
    body = table(rows)
    server = await loop.create_server(
        lambda: Answers(milliseconds / 1000, body), "127.0.0.1", 0, backlog=1000
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    nalsil.run(main(float(sys.argv[1]), int(sys.argv[2])))
