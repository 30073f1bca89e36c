"""websockets: its server and its client on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve, unix_serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from .loop_under_test import HANG_SECONDS, program

if TYPE_CHECKING:
    from .conftest import Certificates

LARGE = bytes(range(256)) * 65536  # 16 MiB


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def address_of(server: Server, scheme: str = "ws") -> str:
    return f"{scheme}://localhost:{next(iter(server.sockets)).getsockname()[1]}"


@program
async def test_messages_come_back_in_order() -> None:
    async with serve(echo, "127.0.0.1", 0) as server, connect(address_of(server)) as socket:
        sent = [f"message {number}" * (number % 7) for number in range(1000)]

        async def send() -> None:
            for message in sent:
                await socket.send(message)

        sending = asyncio.create_task(send())
        assert [await socket.recv() for _ in sent] == sent
        await sending


@program
async def test_large_messages_arrive_whole() -> None:
    async with (
        serve(echo, "127.0.0.1", 0, max_size=None, compression=None) as server,
        connect(address_of(server), max_size=None, compression=None) as socket,
    ):
        await socket.send(LARGE)
        assert await socket.recv() == LARGE
        text = "날실" * 500_000
        await socket.send(text)
        assert await socket.recv() == text


@program
async def test_fragments_are_seen_as_they_were_sent() -> None:
    fragments = [b"%d" % number * 1000 for number in range(20)]
    received: list[bytes] = []

    async def gather(socket: ServerConnection) -> None:
        async for fragment in socket.recv_streaming():
            assert isinstance(fragment, bytes)
            received.append(fragment)
        await socket.send("done")

    async def produce() -> AsyncIterator[bytes]:
        for fragment in fragments:
            yield fragment

    async with serve(gather, "127.0.0.1", 0) as server, connect(address_of(server)) as socket:
        await socket.send(produce())
        assert await socket.recv() == "done"
    # websockets ends a fragmented message with an empty fragment.
    assert received == [*fragments, b""]


@program
async def test_pings_are_answered_from_both_sides() -> None:
    latencies: list[float] = []

    async def ping(socket: ServerConnection) -> None:
        for _ in range(10):
            latencies.append(await (await socket.ping()))
        await socket.send("pinged")

    async with serve(ping, "127.0.0.1", 0) as server, connect(address_of(server)) as socket:
        for _ in range(10):
            latencies.append(await (await socket.ping()))
        assert await socket.recv() == "pinged"
    assert len(latencies) == 20
    assert all(0.0 <= latency < HANG_SECONDS for latency in latencies)


@program
async def test_a_peer_that_never_answers_is_dropped_by_keepalive() -> None:
    closed: asyncio.Future[ConnectionClosedError] = asyncio.get_running_loop().create_future()

    async def wait(socket: ServerConnection) -> None:
        with pytest.raises(ConnectionClosedError) as caught:
            await socket.recv()
        closed.set_result(caught.value)

    options: dict[str, Any] = {"ping_interval": 0.02, "ping_timeout": 0.02, "close_timeout": 0.02}
    async with serve(wait, "127.0.0.1", 0, **options) as server:
        port = int(address_of(server).rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        headers = [
            "GET / HTTP/1.1",
            "host: localhost",
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        ]
        writer.write("\r\n".join([*headers, "", ""]).encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
        error = await closed
        assert error.sent is not None
        assert (error.sent.code, error.sent.reason) == (1011, "keepalive ping timeout")
        writer.close()
        await writer.wait_closed()


@program
async def test_close_carries_code_and_reason_to_the_other_side() -> None:
    async def refuse(socket: ServerConnection) -> None:
        await socket.close(4000, "not today")

    async with serve(refuse, "127.0.0.1", 0) as server, connect(address_of(server)) as socket:
        with pytest.raises(ConnectionClosedError) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "not today")


@program
async def test_a_stopping_server_says_goodbye_to_every_client() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        clients = [await connect(address_of(server)) for _ in range(20)]
        server.close()
        for client in clients:
            with pytest.raises(ConnectionClosedOK) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        await server.wait_closed()
        await asyncio.gather(*(client.wait_closed() for client in clients))


@program
async def test_a_lost_connection_is_told_apart_from_a_closed_one() -> None:
    async def vanish(socket: ServerConnection) -> None:
        socket.transport.abort()

    async with serve(vanish, "127.0.0.1", 0) as server, connect(address_of(server)) as socket:
        with pytest.raises(ConnectionClosedError) as caught:
            await socket.recv()
        assert caught.value.rcvd is None


@program
async def test_broadcast_reaches_fifty_clients_in_order() -> None:
    async with serve(echo, "127.0.0.1", 0) as server:
        clients = await asyncio.gather(*(connect(address_of(server)) for _ in range(50)))
        for number in range(100):
            broadcast(server.connections, str(number))
        expected = [str(number) for number in range(100)]
        for client in clients:
            assert [await client.recv() for _ in range(100)] == expected
            await client.close()


@program
async def test_a_cancelled_recv_loses_no_message() -> None:
    received = []
    cancelled = 0
    async with serve(echo, "127.0.0.1", 0) as server, connect(address_of(server)) as socket:
        for number in range(200):
            await socket.send(str(number))
            receiving = asyncio.create_task(socket.recv())
            for _ in range(number % 5):
                await asyncio.sleep(0)
            receiving.cancel()
            try:
                received.append(await receiving)
            except asyncio.CancelledError:
                cancelled += 1
        # Where the loop takes no turn at all, the task is cancelled before it starts.
        assert cancelled >= 40
        received += [await socket.recv() for _ in range(200 - len(received))]
    assert received == [str(number) for number in range(200)]


@program
async def test_over_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "echo.sock")
    async with unix_serve(echo, path), unix_connect(path) as socket:
        await socket.send("through a file")
        assert await socket.recv() == "through a file"


@pytest.mark.tls
@program
async def test_over_tls(certificates: Certificates) -> None:
    options: dict[str, Any] = {"max_size": None, "compression": None}
    async with (
        serve(echo, "127.0.0.1", 0, ssl=certificates.server, **options) as server,
        connect(address_of(server, "wss"), ssl=certificates.client, **options) as socket,
    ):
        for message in ("text", LARGE):
            await socket.send(message)
            assert await socket.recv() == message
