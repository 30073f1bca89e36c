"""Unix sockets: paths, abstract names, and what becomes of the path."""

import asyncio
import os
import pathlib
import socket

import pytest

from .protocols import Echo, Recorder


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "socket")


async def ask(loop, where):
    transport, protocol = await loop.create_unix_connection(Recorder, where)
    transport.write(b"ping")
    while not protocol.data:
        await asyncio.sleep(0)
    transport.close()
    await protocol.lost
    return bytes(protocol.data)


async def end(server):
    server.close()
    await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
async def test_server_and_client_meet_at_a_path(loop, path, kind):
    server = await loop.create_unix_server(Echo, kind(path))
    assert server.is_serving()
    assert server.sockets[0].family == socket.AF_UNIX
    assert server.sockets[0].getsockname() == path
    assert await ask(loop, kind(path)) == b"ping"
    await end(server)


@pytest.mark.parametrize("kind", [str, str.encode])
async def test_server_and_client_meet_at_an_abstract_name(loop, kind):
    name = kind(f"\0nalsil-test-{os.getpid()}")
    server = await loop.create_unix_server(Echo, name)
    assert await ask(loop, name) == b"ping"
    await end(server)


async def test_streams_over_a_path(loop, path):
    async def echo_a_line(reader, writer):
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(echo_a_line, path)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"a line\n")
    assert await reader.read() == b"a line\n"
    writer.close()
    await writer.wait_closed()
    await end(server)


async def test_takes_a_socket(loop, path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        server = await loop.create_unix_server(Echo, sock=sock)
        assert await ask(loop, path) == b"ping"
        await end(server)


async def test_start_serving_false_waits_until_told(loop, path):
    server = await loop.create_unix_server(Echo, path, start_serving=False)
    assert not server.is_serving()
    with pytest.raises(ConnectionRefusedError):
        await loop.create_unix_connection(Recorder, path)
    await server.start_serving()
    assert await ask(loop, path) == b"ping"
    await end(server)


class TestThePath:
    """The file in the file system."""

    async def test_a_socket_left_behind_is_replaced(self, loop, path):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
        server = await loop.create_unix_server(Echo, path)
        assert await ask(loop, path) == b"ping"
        await end(server)

    async def test_a_file_that_is_no_socket_is_not_replaced(self, loop, path):
        pathlib.Path(path).write_text("precious")
        with pytest.raises(OSError, match="is already in use"):
            await loop.create_unix_server(Echo, path)
        assert pathlib.Path(path).read_text() == "precious"

    @pytest.mark.stock_since(3, 13)
    async def test_is_removed_with_the_server(self, loop, path):
        server = await loop.create_unix_server(Echo, path, cleanup_socket=True)
        assert os.path.exists(path)
        await end(server)
        assert not os.path.exists(path)

    @pytest.mark.stock_since(3, 13)
    async def test_stays_when_asked_to(self, loop, path):
        server = await loop.create_unix_server(Echo, path, cleanup_socket=False)
        await end(server)
        assert os.path.exists(path)

    @pytest.mark.stock_since(3, 13)
    async def test_is_left_alone_when_another_server_has_taken_it(self, loop, path):
        first = await loop.create_unix_server(Echo, path, cleanup_socket=True)
        second = await loop.create_unix_server(Echo, path, cleanup_socket=True)
        await end(first)
        assert os.path.exists(path)
        assert await ask(loop, path) == b"ping"
        await end(second)
        assert not os.path.exists(path)

    @pytest.mark.stock_since(3, 13)
    async def test_may_be_gone_already(self, loop, path):
        server = await loop.create_unix_server(Echo, path, cleanup_socket=True)
        os.unlink(path)
        await end(server)

    @pytest.mark.stock_since(3, 13)
    async def test_of_a_given_socket_is_removed_too(self, loop, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
        server = await loop.create_unix_server(Echo, sock=sock, cleanup_socket=True)
        await end(server)
        assert not os.path.exists(path)

    async def test_too_long_is_told(self, loop):
        with pytest.raises(OSError, match="too long"):
            await loop.create_unix_server(Echo, "/tmp/" + "x" * 200)
        with pytest.raises(OSError, match="too long"):
            await loop.create_unix_connection(Recorder, "/tmp/" + "x" * 200)


async def test_a_peer_that_is_not_there_is_told(loop, path):
    with pytest.raises(FileNotFoundError):
        await loop.create_unix_connection(Recorder, path)


async def test_many_at_once(loop, path):
    server = await loop.create_unix_server(Echo, path, backlog=200)
    assert await asyncio.gather(*(ask(loop, path) for _ in range(100))) == [b"ping"] * 100
    await end(server)
