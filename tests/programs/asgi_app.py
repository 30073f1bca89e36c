"""The ASGI application that the uvicorn and httpx tests talk to, and uvicorn serving it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHUNK = 65536


async def respond(send: Send, body: bytes) -> None:
    """Send a whole response of known length."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive) -> AsyncIterator[bytes]:
    """Give the request's body in the pieces that the server hands over."""
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        yield message.get("body", b"")
        more = message.get("more_body", False)


class App:
    """One path per behaviour; remembers what happened to it."""

    def __init__(self) -> None:
        self.life: list[str] = []
        self.held = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self.echo_socket(receive, send)
        else:
            name, _, argument = scope["path"].removeprefix("/").partition("/")
            await getattr(self, name)(scope, receive, send, argument)

    async def lifespan(self, receive: Receive, send: Send) -> None:
        for phase in ("startup", "shutdown"):
            message = await receive()
            assert message["type"] == f"lifespan.{phase}"
            self.life.append(phase)
            await send({"type": f"lifespan.{phase}.complete"})

    async def echo_socket(self, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            content = {key: message[key] for key in ("text", "bytes") if message.get(key)}
            await send({"type": "websocket.send", **content})

    async def hello(self, scope: Message, receive: Receive, send: Send, name: str) -> None:
        await respond(send, f"hello {name} at {scope['client'][1]}".encode())

    async def loop(self, scope: Message, receive: Receive, send: Send, _: str) -> None:
        await respond(send, type(asyncio.get_running_loop()).__module__.encode())

    async def digest(self, scope: Message, receive: Receive, send: Send, _: str) -> None:
        digest = hashlib.sha256()
        size = 0
        async for piece in body_of(receive):
            digest.update(piece)
            size += len(piece)
        await respond(send, json.dumps({"size": size, "sha256": digest.hexdigest()}).encode())

    async def echo(self, scope: Message, receive: Receive, send: Send, _: str) -> None:
        """Send each piece back as it comes, before the next is there."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for piece in body_of(receive):
            if piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def chunks(self, scope: Message, receive: Receive, send: Send, count: str) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(int(count)):
            body = number.to_bytes(4, "big") * (CHUNK // 4)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def hold(self, scope: Message, receive: Receive, send: Send, _: str) -> None:
        """Answer nothing until the client has left."""
        async for _piece in body_of(receive):
            pass
        self.held.set()
        assert (await receive())["type"] == "http.disconnect"
        self.left.set()


app = App()


@asynccontextmanager
async def serving(app: App, **options: Any) -> AsyncIterator[int]:
    """Serve ``app`` with uvicorn and httptools for the length of the block; gives the port."""
    # Where the protocol is left at 0, asyncio leaves Nagle's algorithm on: 40 ms a response.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        port: int = listener.getsockname()[1]
        config = uvicorn.Config(
            app, loop="none", http="httptools", lifespan="on", log_config=None, **options
        )
        server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            try:
                # Clients need not wait for the start: they queue on the listening socket.
                yield port
            finally:
                server.should_exit = True
