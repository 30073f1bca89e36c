"""httpx's asynchronous client against uvicorn, both on the loop of the test."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from .asgi_app import CHUNK, App, serving
from .loop_under_test import program

if TYPE_CHECKING:
    from .conftest import Certificates

BODY = bytes(range(256)) * 32768


def client_of(port: int, limit: int = 10, **options: Any) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=limit, max_keepalive_connections=limit)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, **options)


@program
async def test_many_requests_share_few_connections() -> None:
    async with serving(App()) as port, client_of(port, limit=5) as client:
        answers = await asyncio.gather(*(client.get(f"/hello/{number}") for number in range(200)))
    words = [answer.text.split() for answer in answers]
    assert [word[1] for word in words] == [str(number) for number in range(200)]
    assert 1 <= len({word[3] for word in words}) <= 5


@program
async def test_streamed_request_and_response() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(BODY), 100_000):
            yield BODY[start : start + 100_000]

    async with serving(App()) as port, client_of(port) as client:
        answer = await client.post("/digest", content=pieces())
        assert answer.json() == {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
        async with client.stream("GET", "/chunks/64") as response:
            received = b"".join([piece async for piece in response.aiter_raw()])
    expected = b"".join(number.to_bytes(4, "big") * (CHUNK // 4) for number in range(64))
    assert received == expected


@program
async def test_a_timeout_reaches_the_caller_and_the_server() -> None:
    app = App()
    async with serving(app) as port, client_of(port) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/hold", timeout=httpx.Timeout(None, read=0.05))
        await app.left.wait()
        assert (await client.get("/hello/again")).status_code == 200


@program
async def test_a_cancelled_request_gives_its_connection_back() -> None:
    app = App()
    async with serving(app) as port, client_of(port, limit=1) as client:
        asking = asyncio.create_task(client.get("/hold"))
        await app.held.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await app.left.wait()
        # The pool holds one connection: this hangs if the cancelled request still has it.
        assert (await client.get("/hello/next")).text.startswith("hello next")


@program
async def test_an_unfinished_stream_can_be_left() -> None:
    async with serving(App()) as port, client_of(port, limit=1) as client:
        for _ in range(20):
            async with client.stream("GET", "/chunks/64") as response:
                assert await anext(response.aiter_raw())
        assert (await client.get("/hello/after")).text.startswith("hello after")


@program
async def test_a_refused_connection_is_named() -> None:
    async with serving(App()) as port:
        pass
    async with client_of(port) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/hello/nobody")


@pytest.mark.tls
@program
async def test_httpx_and_uvicorn_over_tls(certificates: Certificates) -> None:
    options = {"ssl_context_factory": lambda *_: certificates.server}
    async with (
        serving(App(), **options) as port,
        httpx.AsyncClient(
            base_url=f"https://localhost:{port}", verify=certificates.client
        ) as client,
    ):
        answer = await client.post("/digest", content=BODY)
        assert answer.json()["sha256"] == hashlib.sha256(BODY).hexdigest()
        answer = await client.get("/chunks/64")
        assert len(answer.content) == 64 * CHUNK
