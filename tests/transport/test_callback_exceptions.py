"""A protocol whose callback raises: reported, and fatal as in asyncio."""

import asyncio
import contextlib
import logging
import socket
import struct

import pytest

from .protocols import BufferedRecorder, Recorder, connected, read_exactly

ERROR = LookupError("from the protocol")


@pytest.fixture(autouse=True)
def error_without_traceback():
    """The traceback of one test must not keep its frames into the next."""
    yield
    ERROR.__traceback__ = None


def raising(name, base=Recorder, error=ERROR):
    """A protocol class whose callback `name` raises."""

    def callback(self, *args):
        getattr(base, name)(self, *args)
        raise error

    return type(f"Raising_{name}", (base,), {name: callback})


@pytest.mark.parametrize(
    ("name", "base", "message"),
    [
        ("data_received", Recorder, "Fatal error: protocol.data_received() call failed."),
        ("get_buffer", BufferedRecorder, "Fatal error: protocol.get_buffer() call failed."),
        ("buffer_updated", BufferedRecorder, "Fatal error: protocol.buffer_updated() call failed."),
    ],
)
async def test_while_receiving_ends_the_connection(reported, name, base, message):
    async with connected(raising(name, base)) as (protocol, peer):
        peer.send(b"x")
        assert await protocol.lost is ERROR
        (context,) = reported
        assert context["message"] == message
        assert context["exception"] is ERROR
        assert context["transport"] is protocol.transport
        assert context["protocol"] is protocol
        # What nobody read may turn the end into a reset.
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""


async def test_in_eof_received_ends_the_connection(reported):
    async with connected(raising("eof_received")) as (protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        assert await protocol.lost is ERROR
        (context,) = reported
        assert context["message"] == "Fatal error: protocol.eof_received() call failed."
        assert context["exception"] is ERROR


async def test_in_connection_made_is_reported_and_the_connection_lives(reported, until):
    async with connected(raising("connection_made")) as (protocol, peer):
        (context,) = reported
        assert context["exception"] is ERROR
        peer.send(b"x")
        await until(lambda: protocol.data == b"x")


async def test_in_connection_lost_is_reported_and_the_socket_closed(reported, until):
    async with connected(raising("connection_lost")) as (protocol, peer):
        protocol.transport.close()
        await protocol.lost
        await until(lambda: reported)
        (context,) = reported
        assert context["exception"] is ERROR
        assert await asyncio.get_running_loop().sock_recv(peer, 1) == b""


async def test_in_pause_writing_is_reported_and_the_connection_lives(reported):
    async with connected(raising("pause_writing")) as (protocol, peer):
        protocol.transport.write(b"x" * 2_000_000)
        (context,) = reported
        assert context["message"] == "protocol.pause_writing() failed"
        assert context["exception"] is ERROR
        assert context["transport"] is protocol.transport
        assert context["protocol"] is protocol
        await read_exactly(peer, 2_000_000)
        assert not protocol.transport.is_closing()


async def test_in_resume_writing_is_reported_and_the_connection_lives(reported, until):
    async with connected(raising("resume_writing")) as (protocol, peer):
        protocol.transport.write(b"x" * 2_000_000)
        await read_exactly(peer, 2_000_000)
        await until(lambda: reported)
        (context,) = reported
        assert context["message"] == "protocol.resume_writing() failed"
        assert context["exception"] is ERROR
        protocol.transport.write(b"y")
        assert await read_exactly(peer, 1) == b"y"


@pytest.mark.parametrize("size", [0, None])
async def test_an_empty_buffer_ends_the_connection(reported, size):
    class Empty(BufferedRecorder):
        def get_buffer(self, sizehint):
            return bytearray() if size == 0 else None

    async with connected(Empty) as (protocol, peer):
        peer.send(b"x")
        error = await protocol.lost
        assert isinstance(error, RuntimeError if size == 0 else TypeError)
        assert reported[0]["message"] == "Fatal error: protocol.get_buffer() call failed."


async def test_a_read_only_buffer_ends_the_connection(reported):
    class ReadOnly(BufferedRecorder):
        def get_buffer(self, sizehint):
            return b"read only"

    async with connected(ReadOnly) as (protocol, peer):
        peer.send(b"x")
        assert isinstance(await protocol.lost, TypeError | BufferError)
        assert len(reported) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("data_received", Recorder),
        ("get_buffer", BufferedRecorder),
        ("buffer_updated", BufferedRecorder),
    ],
)
def test_the_two_that_end_a_run_end_it(loop, reported, kind, name, base):
    kept = []

    async def main():
        async with connected(raising(name, base, kind("end"))) as (protocol, peer):
            kept.append(protocol)
            peer.send(b"x")
            await protocol.lost

    task = loop.create_task(main())
    with pytest.raises(kind, match="end"):
        loop.run_until_complete(task)
    assert reported == []
    if not kept[0].lost.done():
        kept[0].transport.abort()
    loop.run_until_complete(task)


@pytest.mark.nalsil_only  # the stock loop leaves such a connection open
@pytest.mark.parametrize("what", ["the log of debug mode", "the exception handler"])
def test_what_interrupts_a_report_leaves_no_connection_open(loop, monkeypatch, what):
    def interrupt(*_, **__):
        raise KeyboardInterrupt(what)

    async def main():
        protocol_class = Recorder if in_debug else raising("data_received")
        async with connected(protocol_class) as (protocol, peer):
            if in_debug:
                monkeypatch.setattr(logging.getLogger("asyncio"), "debug", interrupt)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
            else:
                loop.set_exception_handler(interrupt)
                peer.send(b"x")
            await protocol.lost

    in_debug = what == "the log of debug mode"
    loop.set_debug(in_debug)
    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt, match=what):
        loop.run_until_complete(task)
    monkeypatch.undo()
    loop.set_exception_handler(None)
    loop.run_until_complete(task)


@pytest.mark.nalsil_only  # the stock loop leaves the socket to the garbage collector
async def test_a_factory_that_raises_raises_from_create_connection(loop):
    def factory():
        raise ERROR

    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    with pytest.raises(LookupError):
        await loop.create_connection(factory, host, port)
    server.close()
    await asyncio.sleep(0.01)


@pytest.mark.nalsil_only  # the stock loop reports it only in debug mode, and leaves the socket open
async def test_a_factory_that_raises_in_a_server_is_reported_and_serving_goes_on(
    loop, reported, until
):
    made = []

    def factory():
        made.append(True)
        if len(made) == 1:
            raise ERROR
        return Recorder()

    server = await loop.create_server(factory, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    with socket.socket() as first, socket.socket() as second:
        first.setblocking(False)
        second.setblocking(False)
        await loop.sock_connect(first, (host, port))
        await until(lambda: made)
        await loop.sock_connect(second, (host, port))
        await until(lambda: len(made) == 2)
        await until(lambda: reported)
    server.close()
    assert any(context.get("exception") is ERROR for context in reported)
    await asyncio.sleep(0.01)
