"""Making connections and servers, cancelled at every point: see `cancellation`."""

import asyncio
import socket

from .cancellation import cancel_at_every_point, nothing_to_undo, stock_leaks
from .protocols import Echo, Recorder, black_hole


async def close_connection(result):
    transport, protocol = result
    transport.close()
    await protocol.lost


async def close_streams(result):
    _, writer = result
    writer.close()
    await writer.wait_closed()


async def close_server(server):
    server.close()


async def test_create_connection(loop):
    await cancel_at_every_point(
        loop, lambda peers: loop.create_connection(Recorder, *peers.address), close_connection
    )


async def test_create_connection_by_name(loop):
    # The lookup in a thread takes as many turns as it takes.
    await cancel_at_every_point(
        loop,
        lambda peers: loop.create_connection(
            Recorder, "localhost", peers.address[1], family=socket.AF_INET
        ),
        close_connection,
        ends=False,
    )


async def test_create_connection_that_stays_pending(loop):
    with black_hole() as hole:
        await cancel_at_every_point(
            loop,
            lambda peers: loop.create_connection(Recorder, *hole),
            close_connection,
            most_turns=12,
            ends=False,
        )


async def test_create_connection_from_a_local_address(loop):
    await cancel_at_every_point(
        loop,
        lambda peers: loop.create_connection(Recorder, *peers.address, local_addr=("127.0.0.3", 0)),
        close_connection,
    )


@stock_leaks
def test_create_connection_with_happy_eyeballs(new_loop):
    class Resolving(type(new_loop())):
        async def getaddrinfo(self, host, port, **options):
            if host != "somewhere.test":
                return await super().getaddrinfo(host, port, **options)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
                for address in (hole, ("127.0.0.1", port))
            ]

    loop = Resolving()
    with black_hole() as hole:
        try:
            loop.run_until_complete(
                cancel_at_every_point(
                    loop,
                    lambda peers: loop.create_connection(
                        Recorder, "somewhere.test", peers.address[1], happy_eyeballs_delay=0
                    ),
                    close_connection,
                    ends=False,
                    most_turns=20,
                )
            )
        finally:
            loop.close()


async def test_open_connection(loop):
    await cancel_at_every_point(
        loop, lambda peers: asyncio.open_connection(*peers.address), close_streams
    )


async def test_create_unix_connection(loop, tmp_path):
    path = str(tmp_path / "socket")
    ended = []

    def accept():
        ended.append(Echo())
        return ended[-1]

    server = await loop.create_unix_server(accept, path)

    async def close_both(result):
        await close_connection(result)

    async def connect(peers):
        peers.protocols = ended
        return await loop.create_unix_connection(Recorder, path)

    await cancel_at_every_point(loop, connect, close_both)
    server.close()
    await asyncio.sleep(0)


@stock_leaks
async def test_create_server(loop):
    await cancel_at_every_point(
        loop, lambda peers: loop.create_server(Recorder, "127.0.0.1", 0), close_server
    )


@stock_leaks
async def test_create_server_on_several_hosts(loop):
    await cancel_at_every_point(
        loop,
        lambda peers: loop.create_server(Recorder, ["127.0.0.1", "127.0.0.2", "::1"], 0),
        close_server,
    )


@stock_leaks
async def test_start_server(loop):
    await cancel_at_every_point(
        loop,
        lambda peers: asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0),
        close_server,
    )


@stock_leaks
async def test_create_unix_server(loop, tmp_path):
    path = str(tmp_path / "socket")
    await cancel_at_every_point(
        loop, lambda peers: loop.create_unix_server(Recorder, path), close_server
    )


async def test_connect_accepted_socket(loop):
    others = []

    async def operation(peers):
        left, right = socket.socketpair()
        others.append(right)
        try:
            return await loop.connect_accepted_socket(Recorder, left)
        finally:
            right.close()

    await cancel_at_every_point(loop, operation, close_connection)


@stock_leaks
async def test_serving_ended_in_the_middle_of_an_accept(loop):
    async def operation(peers):
        accepted = []

        def accept():
            accepted.append(Recorder())
            return accepted[-1]

        server = await loop.create_server(accept, "127.0.0.1", 0)
        clients = [socket.socket() for _ in range(3)]
        try:
            for client in clients:
                client.setblocking(False)
                await loop.sock_connect(client, server.sockets[0].getsockname())
            while len(accepted) < 3:
                await asyncio.sleep(0)
        finally:
            server.close()
            for client in clients:
                client.close()
            peers.protocols += accepted

    await cancel_at_every_point(loop, operation, nothing_to_undo, ends=False, most_turns=30)


async def test_transports_closed_at_every_point(loop):
    async def operation(peers):
        transport, protocol = await loop.create_connection(Recorder, *peers.address)
        try:
            transport.write(b"x" * 300_000)
            while len(protocol.data) < 300_000:
                await asyncio.sleep(0)
        finally:
            transport.abort()
            peers.protocols.append(protocol)
        return True

    await cancel_at_every_point(loop, operation, nothing_to_undo, ends=False, most_turns=30)
