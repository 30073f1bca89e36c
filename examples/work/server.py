"""A local HTTP server that answers after a set time; `http_requests.py` starts it.

python examples/work/server.py MILLISECONDS ROWS

It prints its port, answers `GET /7` with item 7 as JSON that holds ROWS rows, and ends when its
standard input ends. It is a process of its own, so that it takes no GIL from what is measured, and
a plain one, since it is started for each measurement.
"""

import json
import selectors
import socket
import sys
import time
from collections import deque

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Server:
    """All connections, and the answers that are not due yet."""

    def __init__(self, seconds: float, rows: int) -> None:
        self.seconds = seconds
        self.rows = price_list(rows)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listening, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        # All wait equally long, so the first to come is the first to be due.
        self.waiting: deque[tuple[float, socket.socket, bytes]] = deque()

    def run(self) -> None:
        """Serve until standard input ends."""
        while True:
            timeout = self.waiting[0][0] - time.monotonic() if self.waiting else None
            for key, _ in self.selector.select(timeout):
                if key.fileobj is sys.stdin:
                    return
                key.data(key.fileobj)
            self.answer()

    def accept(self, listening: socket.socket) -> None:
        """Take a new connection."""
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(connection, selectors.EVENT_READ, self.receive)

    def receive(self, connection: socket.socket) -> None:
        """Take a request, which these clients send in one piece, or the end of the connection."""
        request = connection.recv(65536)
        if request:
            item = request.split(b" ", 2)[1].removeprefix(b"/")
            self.waiting.append((time.monotonic() + self.seconds, connection, item))
        else:
            self.selector.unregister(connection)
            connection.close()

    def answer(self) -> None:
        """Send every answer that is due."""
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, connection, item = self.waiting.popleft()
            body = b'{"item": %b, "rows": %b}' % (item, self.rows)
            connection.sendall(HEAD % len(body) + body)


def price_list(rows: int) -> bytes:
    """So many rows, as JSON."""
    prices = [{"id": n, "name": f"thread {n}", "price": n * 37 % 1009} for n in range(rows)]
    return json.dumps(prices).encode()


if __name__ == "__main__":
    server = Server(float(sys.argv[1]) / 1000, int(sys.argv[2]))
    print(server.listening.getsockname()[1], flush=True)
    server.run()
