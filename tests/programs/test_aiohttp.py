"""aiohttp: its server and its client on the loop, and the standard library's blocking client."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from aiohttp import web

from .loop_under_test import new_loop, no_complaints, program

if TYPE_CHECKING:
    from .conftest import Certificates

MEGABYTE = 1 << 20
PORT = web.AppKey("port", int)


@asynccontextmanager
async def serving(
    app: web.Application,
    certificates: Certificates | None = None,
    unix: Path | None = None,
    **options: Any,
) -> AsyncIterator[str]:
    """Serve ``app`` on a free port, or at ``unix``, for the block; gives its address."""
    runner = web.AppRunner(app, **options)
    await runner.setup()
    try:
        if unix is not None:
            await web.UnixSite(runner, unix).start()
            yield "http://localhost"
        else:
            context = certificates.server if certificates else None
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            scheme = "https" if certificates else "http"
            yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def pieces(megabytes: int) -> Iterator[bytes]:
    """Cut a body whose every piece differs from the others."""
    for number in range(megabytes * 16):
        yield number.to_bytes(4, "big") * (MEGABYTE // 64)


def digest_of(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


class Site:
    """The application that most tests talk to."""

    def __init__(self) -> None:
        self.peers: list[tuple[str, int]] = []
        self.deepest_buffer = 0
        self.app = web.Application(client_max_size=0)
        self.app.add_routes(
            [
                web.get("/echo/{text}", self.echo),
                web.post("/digest", self.digest),
                web.get("/download/{megabytes}", self.download),
                web.get("/socket", self.socket),
            ]
        )

    async def echo(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        return web.Response(text=request.match_info["text"])

    async def digest(self, request: web.Request) -> web.Response:
        digest = hashlib.sha256()
        size = 0
        async for part in request.content.iter_any():
            digest.update(part)
            size += len(part)
        return web.json_response({"size": size, "sha256": digest.hexdigest()})

    async def download(self, request: web.Request) -> web.StreamResponse:
        transport = cast(asyncio.Transport, request.transport)
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces(int(request.match_info["megabytes"])):
            await response.write(piece)
            self.deepest_buffer = max(self.deepest_buffer, transport.get_write_buffer_size())
        await response.write_eof()
        return response

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                if message.data == "bye":
                    await socket.close(code=4001, message=b"as you wish")
                else:
                    await socket.send_str(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket


async def download_digest(client: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    async with client.get(path) as response:
        assert response.status == 200
        async for part in response.content.iter_any():
            digest.update(part)
            size += len(part)
    return size, digest.hexdigest()


@program
async def test_keep_alive_serves_every_request_on_one_connection() -> None:
    site = Site()
    connector = aiohttp.TCPConnector(limit=1)
    async with serving(site.app) as url, aiohttp.ClientSession(url, connector=connector) as client:
        texts = []
        for number in range(200):
            async with client.get(f"/echo/{number}") as response:
                texts.append(await response.text())
    assert texts == [str(number) for number in range(200)]
    assert len(site.peers) == 200
    assert len(set(site.peers)) == 1


@program
async def test_a_hundred_connections_are_served_at_once() -> None:
    everyone_is_in = asyncio.Barrier(100)

    async def meet(request: web.Request) -> web.Response:
        await everyone_is_in.wait()
        return web.Response(text=request.query["number"])

    app = web.Application()
    app.router.add_get("/", meet)

    async def ask(client: aiohttp.ClientSession, number: int) -> str:
        async with client.get("/", params={"number": number}) as response:
            return await response.text()

    connector = aiohttp.TCPConnector(limit=100)
    async with serving(app) as url, aiohttp.ClientSession(url, connector=connector) as client:
        for _ in range(3):
            answers = await asyncio.gather(*(ask(client, number) for number in range(100)))
            assert answers == [str(number) for number in range(100)]


async def transfer_both_ways(certificates: Certificates | None) -> None:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces(8):
            yield piece

    site = Site()
    expected = digest_of(pieces(8))
    connector = aiohttp.TCPConnector(ssl=certificates.client if certificates else True)
    async with (
        serving(site.app, certificates) as url,
        aiohttp.ClientSession(url, connector=connector) as client,
    ):
        async with client.post("/digest", data=body()) as response:
            assert await response.json() == {"size": 8 * MEGABYTE, "sha256": expected}
        assert await download_digest(client, "/download/8") == (8 * MEGABYTE, expected)


@program
async def test_streamed_bodies_arrive_whole_in_both_directions() -> None:
    await transfer_both_ways(None)


@pytest.mark.tls
@program
async def test_streamed_bodies_arrive_whole_over_tls(certificates: Certificates) -> None:
    await transfer_both_ways(certificates)


@program
async def test_a_streaming_server_waits_for_a_slow_reader() -> None:
    site = Site()
    async with serving(site.app) as url, aiohttp.ClientSession(url, read_bufsize=1024) as client:
        size, _ = await download_digest(client, "/download/32")
    assert size == 32 * MEGABYTE
    # The response waits once 64 KiB are queued; one more piece and its framing may be on top.
    assert site.deepest_buffer <= 256 * 1024


async def talk_over_a_socket(client: aiohttp.ClientSession) -> None:
    async with client.ws_connect("/socket", max_msg_size=0) as socket:
        for number in range(200):
            await socket.send_str(f"message {number}")
        assert [await socket.receive_str() for _ in range(200)] == [
            f"message {number}" for number in range(200)
        ]
        large = b"".join(pieces(4))
        await socket.send_bytes(large)
        assert await socket.receive_bytes() == large
        await socket.send_str("bye")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4001


@program
async def test_websocket_messages_keep_their_order_and_close_says_why() -> None:
    async with serving(Site().app) as url, aiohttp.ClientSession(url) as client:
        await talk_over_a_socket(client)


@pytest.mark.tls
@program
async def test_websocket_over_tls(certificates: Certificates) -> None:
    connector = aiohttp.TCPConnector(ssl=certificates.client)
    async with (
        serving(Site().app, certificates) as url,
        aiohttp.ClientSession(url, connector=connector) as client,
    ):
        await talk_over_a_socket(client)


async def write_without_end(response: web.StreamResponse) -> None:
    while True:
        await response.write(b"x" * 65536)


@program
async def test_a_client_that_leaves_ends_the_response() -> None:
    server_noticed = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            with pytest.raises(ConnectionError):
                await write_without_end(response)
        finally:
            server_noticed.set()
        return response

    app = web.Application()
    app.router.add_get("/", endless)
    async with serving(app) as url, aiohttp.ClientSession(url) as client:
        async with client.get("/") as response:
            assert await response.content.readexactly(100_000) == b"x" * 100_000
            response.close()
        await server_noticed.wait()


@program
async def test_a_cancelled_request_cancels_its_handler() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def hold(_request: web.Request) -> web.Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/hold", hold)
    site = Site()
    app.router.add_get("/echo/{text}", site.echo)
    async with (
        serving(app, handler_cancellation=True) as url,
        aiohttp.ClientSession(url) as client,
    ):
        asking = asyncio.create_task(client.request("GET", "/hold"))
        await started.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await cancelled.wait()
        async with client.get("/echo/still-here") as response:
            assert await response.text() == "still-here"


@program
async def test_shutdown_finishes_what_is_running_and_refuses_what_is_new() -> None:
    started, stopping, finish = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(_request: web.Request) -> web.Response:
        started.set()
        await finish.wait()
        return web.Response(text="finished")

    async def say_stopping(_app: web.Application) -> None:
        stopping.set()

    app = web.Application()
    app.router.add_get("/", hold)
    app.on_shutdown.append(say_stopping)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]

    async with (
        aiohttp.ClientSession(f"http://{host}:{port}") as client,
        asyncio.TaskGroup() as group,
    ):
        asking = group.create_task(client.request("GET", "/"))
        await started.wait()
        group.create_task(runner.cleanup())
        await stopping.wait()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)
        assert not asking.done()
        finish.set()
        async with await asking as response:
            assert (response.status, await response.text()) == (200, "finished")


@program
async def test_unix_socket_site(tmp_path: Path) -> None:
    path = tmp_path / "site.sock"
    connector = aiohttp.UnixConnector(str(path))
    async with (
        serving(Site().app, unix=path) as url,
        aiohttp.ClientSession(url, connector=connector) as client,
    ):
        async with client.get("/echo/through-a-file") as response:
            assert await response.text() == "through-a-file"
        expected = (2 * MEGABYTE, digest_of(pieces(2)))
        assert await download_digest(client, "/download/2") == expected


@program
async def test_the_transport_of_a_request_is_an_asyncio_transport() -> None:
    async def kind(request: web.Request) -> web.Response:
        return web.json_response(isinstance(request.transport, asyncio.Transport))

    app = web.Application()
    app.router.add_get("/", kind)
    async with (
        serving(app) as url,
        aiohttp.ClientSession(url) as client,
        client.get("/") as response,
    ):
        assert await response.json() is True


def ask_blocking(port: int) -> list[str]:
    """Ask over one connection with the standard library's client, which blocks its thread."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answers = []
    for number in range(50):
        connection.request("GET", f"/echo/{number}")
        answers.append(connection.getresponse().read().decode())
    connection.close()
    return answers


@program
async def test_blocking_clients_in_threads_are_served() -> None:
    site = Site()
    async with serving(site.app) as url:
        port = int(url.rpartition(":")[2])
        answers = await asyncio.gather(*(asyncio.to_thread(ask_blocking, port) for _ in range(4)))
    assert answers == [[str(number) for number in range(50)]] * 4
    assert len(set(site.peers)) == 4


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_run_app_ends_gracefully_on_a_signal(ending: signal.Signals) -> None:
    steps: list[str] = []

    async def answer(_request: web.Request) -> web.Response:
        os.kill(os.getpid(), ending)
        return web.Response(text="answered")

    async def ask(url: str) -> None:
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            steps.append(await response.text())

    async def asking(app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(ask(f"http://127.0.0.1:{app[PORT]}/"))
        yield
        await task
        steps.append("cleaned up")

    with no_complaints() as complaints:
        listener = socket.create_server(("127.0.0.1", 0))
        app = web.Application()
        app[PORT] = listener.getsockname()[1]
        app.router.add_get("/", answer)
        app.cleanup_ctx.append(asking)
        loop = new_loop()
        complaints.watch(loop)
        web.run_app(app, sock=listener, loop=loop, print=lambda *_: None)
        assert loop.is_closed()
    assert steps == ["answered", "cleaned up"]
