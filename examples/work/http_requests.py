"""HTTP requests to a server that takes 10 ms: all of a unit is waiting for the network.

nalsil compare examples/work/http_requests.py:fetch,afetch --items 400

The blocking form is `http.client` of the standard library, the asynchronous one aiohttp:
`pip install aiohttp`. Both keep their connections open. One would guess that coroutines win, and
that threads are not far behind as long as few requests are under way at a time.
"""

import http.client
import json
import subprocess
import sys
import threading
from pathlib import Path

import aiohttp

server: subprocess.Popen[str]
port: int
connections: list[http.client.HTTPConnection] = []
of_thread = threading.local()
session: aiohttp.ClientSession | None = None


def setup() -> None:
    """Start a server whose answers come after 10 ms and are short."""
    start(milliseconds=10, rows=0)


async def teardown() -> None:
    """Close the connections, end the server and wait for its end."""
    global of_thread, session
    if session is not None:
        await session.close()
        session = None
    while connections:
        connections.pop().close()
    of_thread = threading.local()
    server.kill()
    server.communicate()


def fetch(item: int) -> int:
    """Ask for an item and wait."""
    return json.loads(get(item))["item"]


async def afetch(item: int) -> int:
    """Ask for an item and let others go on meanwhile."""
    return json.loads(await aget(item))["item"]


def start(milliseconds: int, rows: int) -> None:
    """Start the server and wait until it listens."""
    global server, port
    program = Path(__file__).with_name("server.py")
    command = [sys.executable, program, str(milliseconds), str(rows)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = int(server.stdout.readline())


def get(item: int) -> bytes:
    """The answer, over a connection that this thread keeps."""
    if not hasattr(of_thread, "connection"):
        of_thread.connection = http.client.HTTPConnection("127.0.0.1", port)
        connections.append(of_thread.connection)
    of_thread.connection.request("GET", f"/{item}")
    return of_thread.connection.getresponse().read()


async def aget(item: int) -> bytes:
    """The answer, over one of the connections that the session keeps."""
    global session
    if session is None:
        # aiohttp opens at most 100 connections by default; 0 is no limit.
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    async with session.get(f"http://127.0.0.1:{port}/{item}") as response:
        return await response.read()
