"""uvicorn with httptools, on the loop of the test and as a program of its own."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websockets

from .asgi_app import CHUNK, App, serving
from .loop_under_test import LOOP_MODULE, program
from .peer_servers import ServerProcess

TESTS = Path(__file__).parents[1]


async def read_head(reader: asyncio.StreamReader) -> dict[str, str]:
    """Read a response's status line and headers; the status is given as ``:status``."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return headers | {":status": lines[0].split()[1]}


async def read_response(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Read one response whose length is in its header."""
    head = await read_head(reader)
    return head[":status"], await reader.readexactly(int(head["content-length"]))


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """Read one chunk of a chunked body; the last one is empty."""
    size = int(await reader.readline(), 16)
    body = await reader.readexactly(size)
    assert await reader.readexactly(2) == b"\r\n"
    return body


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode()


@program
async def test_keep_alive_and_lifespan() -> None:
    app = App()
    async with serving(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        own_port = writer.get_extra_info("sockname")[1]
        for number in range(100):
            writer.write(request(f"/hello/{number}"))
            expected = f"hello {number} at {own_port}".encode()
            assert await read_response(reader) == ("200", expected)
        assert app.life == ["startup"]
        await leave(writer)
    assert app.life == ["startup", "shutdown"]


@program
async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(App()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(request(f"/hello/{number}") for number in range(100)))
        answers = [await read_response(reader) for _ in range(100)]
        await leave(writer)
    assert [body.split()[1] for _, body in answers] == [b"%d" % number for number in range(100)]


@program
async def test_connection_close_is_obeyed() -> None:
    async with serving(App()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/hello/once", "connection: close"))
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\n\r\nhello once at " in answer
        await leave(writer)


@program
async def test_chunks_are_echoed_one_by_one() -> None:
    async with serving(App()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/echo", "transfer-encoding: chunked", method="POST"))
        for number in range(50):
            body = b"%d" % number * (number + 1)
            # The size and the body go in packets of their own.
            writer.write(b"%x\r\n" % len(body))
            await writer.drain()
            writer.write(body + b"\r\n")
            if number == 0:
                assert (await read_head(reader))["transfer-encoding"] == "chunked"
            assert await read_chunk(reader) == body
        writer.write(b"0\r\n\r\n")
        assert await read_chunk(reader) == b""
        writer.write(request("/hello/again"))
        assert (await read_response(reader))[1].startswith(b"hello again")
        await leave(writer)


@program
async def test_long_chunked_response_arrives_whole() -> None:
    async with serving(App()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/chunks/256"))
        await read_head(reader)
        for number in range(256):
            received = b""
            while len(received) < CHUNK:
                received += await read_chunk(reader)
            assert received == number.to_bytes(4, "big") * (CHUNK // 4)
        assert await read_chunk(reader) == b""
        await leave(writer)


@program
async def test_a_bad_request_is_refused_and_the_server_goes_on() -> None:
    async with serving(App()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"this is no HTTP\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        await leave(writer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/hello/next"))
        assert (await read_response(reader))[0] == "200"
        await leave(writer)


@program
async def test_the_application_hears_that_its_client_left() -> None:
    app = App()
    async with serving(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/hold"))
        await app.held.wait()
        writer.transport.abort()
        await app.left.wait()


@program
async def test_websocket_through_uvicorn() -> None:
    options = {"ws": "websockets-sansio", "ws_max_size": 1 << 24}
    async with serving(App(), **options) as port:
        url = f"ws://127.0.0.1:{port}/socket"
        async with websockets.connect(url, max_size=None) as socket:
            for message in ("text", b"bytes", "ä" * 1_000_000, bytes(range(256)) * 8192):
                await socket.send(message)
                assert await socket.recv() == message


@contextmanager
def uvicorn_program(*options: str) -> Iterator[tuple[ServerProcess, http.client.HTTPConnection]]:
    """Run ``python -m uvicorn`` on the loop under test; gives it and a connection to it."""
    loop = ["--loop", f"{LOOP_MODULE}:new_event_loop", "--http", "httptools"]
    place = ["--app-dir", str(TESTS), "--port", "0", "--lifespan", "on", "--no-use-colors"]
    command = [sys.executable, "-m", "uvicorn", "programs.asgi_app:app", *loop, *place, *options]
    process = ServerProcess(command)
    try:
        line = process.wait_for("Uvicorn running on")
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        try:
            yield process, connection
        finally:
            connection.close()
    finally:
        process.stop()


def connect(connection: http.client.HTTPConnection) -> None:
    """Connect as soon as a worker listens, which none of them announces."""
    while True:
        try:
            return connection.connect()
        except ConnectionRefusedError:
            continue


def ask(connection: http.client.HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    return connection.getresponse().read().decode()


# uvicorn raises the signal again once it is done, and then ignores KeyboardInterrupt.
@pytest.mark.parametrize(
    ("ending", "expected"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 0)]
)
def test_program_finishes_its_request_before_it_obeys_a_signal(
    ending: signal.Signals, expected: int
) -> None:
    body = bytes(range(256)) * 4096
    with uvicorn_program() as (process, connection):
        assert ask(connection, "/loop").partition(".")[0] == LOOP_MODULE
        for number in range(50):
            assert ask(connection, f"/hello/{number}").startswith(f"hello {number} at ")

        connection.putrequest("POST", "/digest")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body[:1000])
        process.process.send_signal(ending)
        process.wait_for("Shutting down")
        connection.send(body[1000:])
        answer = connection.getresponse().read()
        assert hashlib.sha256(body).hexdigest().encode() in answer

        status = process.wait()
        process.wait_for("Application shutdown complete.")
        assert status == expected
        assert process.lines_with("Traceback", "ERROR") == []


def test_program_with_two_worker_processes() -> None:
    with uvicorn_program("--workers", "2") as (process, connection):
        process.wait_for("Application startup complete.", times=2)
        connect(connection)
        assert ask(connection, "/loop").partition(".")[0] == LOOP_MODULE
        connection.close()
        assert process.stop() == 0
        assert len(process.lines_with("Application shutdown complete.")) == 2
        assert process.lines_with("Traceback", "ERROR") == []
