"""`Server`: what create_server gives back."""

import asyncio
import socket

import pytest

from .protocols import Recorder


class Listening:
    """A server, the protocols of its connections, and clients of it."""

    def __init__(self, loop):
        self.loop = loop
        self.protocols = []
        self.clients = []

    def accept(self):
        self.protocols.append(Recorder())
        return self.protocols[-1]

    async def start(self, **options):
        self.server = await self.loop.create_server(self.accept, "127.0.0.1", 0, **options)
        return self.server

    async def client(self):
        """A client's socket, once its connection is accepted."""
        sock = socket.socket()
        sock.setblocking(False)
        self.clients.append(sock)
        await self.loop.sock_connect(sock, self.server.sockets[0].getsockname())
        while len(self.protocols) < len(self.clients) or not self.protocols[-1].transport:
            await asyncio.sleep(0)
        return sock

    async def end(self):
        self.server.close()
        for sock in self.clients:
            sock.close()
        for protocol in self.protocols:
            await protocol.lost
        await asyncio.sleep(0)


@pytest.fixture
def listening(loop, run):
    listening = Listening(loop)
    yield listening
    if not loop.is_closed():
        run(listening.end())


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_is_an_asyncio_server(listening, loop):
    server = await listening.start()
    assert isinstance(server, asyncio.AbstractServer)
    assert server.get_loop() is loop
    assert server.is_serving()
    assert repr(server).startswith("<Server sockets=(")


async def test_sockets_are_there_until_it_is_closed(listening):
    server = await listening.start()
    assert isinstance(server.sockets, tuple)
    (sock,) = server.sockets
    assert sock.getsockname()[0] == "127.0.0.1"
    assert not hasattr(sock, "accept")
    server.close()
    assert server.sockets == ()
    assert not server.is_serving()


async def test_close_ends_listening_at_once_and_may_be_repeated(listening):
    server = await listening.start()
    address = server.sockets[0].getsockname()
    server.close()
    server.close()
    await turn()
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError):
        sock.connect(address)


async def test_close_leaves_connections_alone(listening, loop, until):
    server = await listening.start()
    client = await listening.client()
    server.close()
    await turn()
    client.send(b"x")
    await until(lambda: listening.protocols[0].data == b"x")


@pytest.mark.stock_since(3, 13)
class TestWaitClosed:
    """wait_closed waits for the close and for the last connection, in either order."""

    async def test_waits_while_the_server_is_open(self, listening, loop):
        server = await listening.start()
        waiting = loop.create_task(server.wait_closed())
        await turn()
        assert not waiting.done()
        server.close()
        await waiting

    async def test_waits_for_the_connections(self, listening, loop):
        server = await listening.start()
        client = await listening.client()
        server.close()
        waiting = [loop.create_task(server.wait_closed()) for _ in range(3)]
        await turn()
        assert not any(task.done() for task in waiting)
        client.close()
        await asyncio.gather(*waiting)
        assert listening.protocols[0].lost.done()

    async def test_waits_for_the_close_after_the_connections(self, listening, loop):
        server = await listening.start()
        client = await listening.client()
        waiting = loop.create_task(server.wait_closed())
        client.close()
        await listening.protocols[0].lost
        await turn()
        assert not waiting.done()
        server.close()
        await waiting

    async def test_after_all_is_closed_it_returns_at_once(self, listening):
        server = await listening.start()
        server.close()
        await server.wait_closed()
        await server.wait_closed()

    async def test_a_cancelled_wait_does_no_harm(self, listening, loop):
        server = await listening.start()
        waiting = loop.create_task(server.wait_closed())
        await turn()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        server.close()
        await server.wait_closed()


@pytest.mark.stock_since(3, 13)
class TestClients:
    """close_clients and abort_clients."""

    async def test_close_clients_sends_what_waits(self, listening, loop):
        server = await listening.start()
        client = await listening.client()
        listening.protocols[0].transport.write(b"x" * 3_000_000)
        server.close()
        server.close_clients()
        received = 0
        while part := await loop.sock_recv(client, 1 << 20):
            received += len(part)
        assert received == 3_000_000
        await server.wait_closed()

    @pytest.mark.stock_since(3, 14)
    async def test_the_end_of_serve_forever_closes_them(self, listening, loop):
        server = await listening.start()
        serving = loop.create_task(server.serve_forever())
        client = await listening.client()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert await loop.sock_recv(client, 1) == b""
        assert listening.protocols[0].lost.result() is None
        assert not server.is_serving()

    async def test_abort_clients_does_not_wait(self, listening):
        server = await listening.start()
        for _ in range(5):
            await listening.client()
        listening.protocols[0].transport.write(b"x" * 9_000_000)
        server.close()
        server.abort_clients()
        await server.wait_closed()
        assert [protocol.lost.result() for protocol in listening.protocols] == [None] * 5

    async def test_clients_that_left_are_not_called(self, listening):
        server = await listening.start()
        client = await listening.client()
        client.close()
        await listening.protocols[0].lost
        await turn()
        server.close_clients()
        server.abort_clients()
        assert listening.protocols[0].calls.count("connection_lost") == 1


class TestServeForever:
    """serve_forever, and the server as a context manager."""

    async def test_serves_until_it_is_cancelled_and_closes(self, listening, loop):
        server = await listening.start(start_serving=False)
        serving = loop.create_task(server.serve_forever())
        while not server.is_serving():
            await asyncio.sleep(0)
        client = await listening.client()
        client.close()
        await listening.protocols[0].lost
        await turn()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert not server.is_serving()
        assert server.sockets == ()

    async def test_is_refused_a_second_time(self, listening, loop):
        server = await listening.start()
        serving = loop.create_task(server.serve_forever())
        await turn()
        with pytest.raises(RuntimeError, match="is already being awaited on serve_forever"):
            await server.serve_forever()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    async def test_is_refused_after_the_close(self, listening):
        server = await listening.start()
        server.close()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.serve_forever()

    async def test_close_ends_it(self, listening, loop):
        server = await listening.start()
        serving = loop.create_task(server.serve_forever())
        await turn()
        server.close()
        with pytest.raises(asyncio.CancelledError):
            await serving

    async def test_the_context_closes_it(self, listening):
        server = await listening.start()
        async with server as entered:
            assert entered is server
            assert server.is_serving()
        assert not server.is_serving()
        assert server.sockets == ()


async def test_many_servers_side_by_side(loop, until):
    servers = [await loop.create_server(Recorder, "127.0.0.1", 0) for _ in range(50)]
    ports = {server.sockets[0].getsockname()[1] for server in servers}
    assert len(ports) == 50
    for server in servers[::2]:
        server.close()
    await turn()
    for server in servers[1::2]:
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, server.sockets[0].getsockname())
        server.close()
    await asyncio.sleep(0.01)
