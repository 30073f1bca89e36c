"""Who owns the descriptor of a transport, and what goes away with it: what broke once."""

import asyncio
import errno
import gc
import os
import socket
import sys
import threading
import time
import weakref

import pytest

from .protocols import Recorder, connected, read_exactly

IDLE_SECONDS = 0.2


class Thing:
    """Something a weak reference can point at."""


class AskingWhenCollected:
    """Garbage, in a cycle with itself, whose finalizer asks for the socket."""

    def __init__(self, ask):
        self.ask = ask
        self.itself = self

    def __del__(self):
        self.ask()


def in_another_thread(ask):
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()


def in_a_finalizer(ask):
    AskingWhenCollected(ask)
    gc.collect()


def while_a_socket_is_made(action, call):
    """What `call` gives; `action` comes in between where it makes its first socket object."""

    def trace(frame, event, arg):
        if event == "call" and frame.f_code is socket.socket.__init__.__code__:
            sys.settrace(None)
            action()

    sys.settrace(trace)
    try:
        return call()
    finally:
        sys.settrace(None)


async def accepted(loop, factory=Recorder):
    """The protocol of a connection that a server took in, and the client's socket."""
    made = loop.create_future()

    def make():
        made.set_result(factory())
        return made.result()

    server = await loop.create_server(make, "127.0.0.1", 0)
    client = socket.create_connection(server.sockets[0].getsockname())
    client.setblocking(False)
    protocol = await made
    while protocol.transport is None:
        await asyncio.sleep(0)
    server.close()
    return protocol, client


def nothing_but(expected, sock):
    """Whether that, and nothing else, is there to be read."""
    return sock.recv(1000) == expected


@pytest.mark.parametrize(
    "way", [lambda ask: ask(), in_another_thread, in_a_finalizer], ids=["call", "thread", "del"]
)
async def test_asking_for_the_socket_while_it_is_asked_for_makes_one_owner(loop, way):
    protocol, client = await accepted(loop)
    transport = protocol.transport

    def ask():
        return transport.get_extra_info("socket")

    public = while_a_socket_is_made(lambda: way(ask), ask)
    assert ask().fileno() == public.fileno()
    number = public.fileno()
    del public
    gc.collect()
    # A second owner would have closed the descriptor; the next to open gets its number.
    one, other = socket.socketpair()
    with client, one, other:
        assert ask().fileno() == number
        transport.write(b"answer")
        assert await read_exactly(client, 6) == b"answer"
        transport.abort()
        assert await protocol.lost is None
        await asyncio.sleep(0)
        for sender, receiver in [(one, other), (other, one)]:
            sender.send(b"own")
            assert nothing_but(b"own", receiver)


async def test_writing_after_the_user_detached_the_socket_reaches_nobody_else(loop):
    ours, peer = socket.socketpair()
    stranger, stranger_peer = socket.socketpair()
    with peer, stranger, stranger_peer:
        transport, protocol = await loop.create_unix_connection(Recorder, sock=ours)
        # What the program opens next takes the number.
        number = ours.detach()
        os.dup2(stranger.fileno(), number)
        transport.write(b"secret")
        error = await protocol.lost
        assert error.errno == errno.EBADF
        await asyncio.sleep(0)
        os.write(number, b"own")
        assert nothing_but(b"own", stranger_peer)
        os.close(number)


async def test_a_socket_that_the_user_detached_is_the_user_s_again(loop):
    ours, peer = socket.socketpair()
    with peer:
        _, protocol = await loop.create_unix_connection(Recorder, sock=ours)
        await asyncio.sleep(0)
        with socket.socket(fileno=ours.detach()) as again:
            peer.send(b"for the user")
            error = await protocol.lost
            assert error.errno == errno.EBADF
            assert not protocol.data
            before = time.process_time()
            await asyncio.sleep(IDLE_SECONDS)
            assert time.process_time() - before < IDLE_SECONDS / 2
            again.setblocking(False)
            assert await loop.sock_recv(again, 100) == b"for the user"


@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize("side", ["connecting", "accepting"])
async def test_the_socket_of_a_closed_transport_has_no_descriptor(loop, side, asked_before):
    if side == "accepting":
        protocol, peer = await accepted(loop)
    else:
        ours, peer = socket.socketpair()
        _, protocol = await loop.create_unix_connection(Recorder, sock=ours)
    with peer:
        transport = protocol.transport
        family = transport.get_extra_info("socket").family if asked_before else peer.family
        transport.close()
        await protocol.lost
        sock = transport.get_extra_info("socket")
        assert type(sock) is asyncio.trsock.TransportSocket
        assert sock.fileno() == -1
        assert sock.family == family


# The stock loop leaves socket and transport, half made, to the collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("given", ["an address", "a socket"])
async def test_a_protocol_without_connection_made_is_refused_and_nothing_leaks(loop, given):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        where = {"host": address[0], "port": address[1]}
        if given == "a socket":
            where = {"sock": socket.create_connection(address)}
        with pytest.raises(AttributeError, match="connection_made"):
            await loop.create_connection(object, **where)
        del where
        gc.collect()
        conn, _ = listener.accept()
        with conn:
            conn.setblocking(False)
            assert await loop.sock_recv(conn, 1) == b""


@pytest.mark.nalsil_only  # the stock server says that `NoneType` is not iterable
async def test_a_closed_server_refuses_to_start(loop):
    server = await loop.create_server(Recorder, "127.0.0.1", 0, start_serving=False)
    server.close()
    with pytest.raises(RuntimeError, match="closed"):
        await server.start_serving()
    assert not server.is_serving()


async def test_what_is_put_into_extra_is_found_there_and_goes_away():
    thing = Thing()
    reference = weakref.ref(thing)
    async with connected() as (protocol, _):
        extra = protocol.transport._extra
        assert type(extra) is dict
        extra["thing"] = thing
        assert protocol.transport._extra["thing"] is thing
        del extra, thing
    del protocol
    gc.collect()
    assert reference() is None


async def test_what_is_put_into_a_slot_of_the_transport_s_base_goes_away():
    thing = Thing()
    reference = weakref.ref(thing)
    async with connected() as (protocol, _):
        asyncio.BaseTransport._extra.__set__(protocol.transport, {"thing": thing})
        del thing
    del protocol
    gc.collect()
    assert reference() is None


def test_a_forked_child_that_drops_the_loop_leaves_the_parent_s_connections(program):
    done = program("""
        import asyncio, gc, os, socket, warnings, weakref
        warnings.simplefilter("ignore")

        class Receiver(asyncio.Protocol):
            def data_received(self, data):
                print(data.decode(), flush=True)
                asyncio.get_running_loop().stop()

        async def connect():
            loop = asyncio.get_running_loop()
            return (await loop.create_unix_connection(Receiver, sock=ours))[0]

        ours, peer = socket.socketpair()
        watched, watched_peer = socket.socketpair()
        loop = new_event_loop()
        loop.add_reader(watched, loop.stop)
        transport = loop.run_until_complete(connect())
        child = os.fork()
        if not child:
            in_child = weakref.ref(loop)
            # `ours` stays: the transport is to go while its descriptor is open.
            del transport, loop
            gc.collect()
            os._exit(0 if in_child() is None else 1)
        print("dropped", os.waitpid(child, 0)[1])
        peer.send(b"data")
        loop.run_forever()
        watched_peer.send(b"x")
        loop.run_forever()
        print("watched")
        loop.remove_reader(watched)
        transport.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["dropped", "0", "data", "watched"]
