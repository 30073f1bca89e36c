"""Datagram endpoints: what is sent, what arrives, and whose it is."""

import asyncio
import gc
import os
import random
import socket
import warnings

import pytest

from .datagrams import (
    HOSTS,
    Datagrams,
    EchoDatagrams,
    address_of,
    connected_unix,
    endpoint,
    has_ipv6,
    peer,
    receive,
)

FAMILIES = pytest.mark.parametrize(
    "family",
    [
        socket.AF_INET,
        pytest.param(
            socket.AF_INET6,
            marks=pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here"),
        ),
    ],
)


@FAMILIES
@pytest.mark.parametrize("size", [1, 1_024, 10_240, 60_000])
async def test_what_is_sent_comes_back(loop, family, size):
    data = os.urandom(size)
    async with endpoint(EchoDatagrams, local_addr=(HOSTS[family], 0)) as echo:
        with peer(family) as sock:
            await loop.sock_sendto(sock, data, address_of(echo))
            assert await receive(sock) == (data, address_of(echo))
            assert echo.received == [(data, sock.getsockname())]


@FAMILIES
async def test_between_two_endpoints(loop, until, family):
    async with (
        endpoint(local_addr=(HOSTS[family], 0)) as one,
        endpoint(remote_addr=address_of(one)[:2]) as other,
    ):
        assert other.transport.get_extra_info("peername") == address_of(one)
        other.transport.sendto(b"without an address")
        other.transport.sendto(b"with the same", address_of(one))
        await until(lambda: len(one.received) == 2)
        assert [data for data, _ in one.received] == [b"without an address", b"with the same"]
        one.transport.sendto(b"answer", one.received[0][1])
        await until(lambda: other.received)
        assert other.received == [(b"answer", address_of(one))]


@FAMILIES
@pytest.mark.parametrize("form", ["short", "name", "kept", "new"])
async def test_every_form_of_an_address(loop, family, form):
    async with endpoint(local_addr=(HOSTS[family], 0)) as protocol:
        with peer(family) as sock:
            address = sock.getsockname()
            if form == "short":
                address = address[:2]
            elif form == "name":
                address = ("localhost", *address[1:])
                if family == socket.AF_INET6 and not _resolves("localhost", family):
                    pytest.skip("the name has no such address here")
            elif form == "new":
                address = (str(address[0] + " ").strip(), *address[1:])
            for number in range(3):
                protocol.transport.sendto(b"%d" % number, address)
                data, sender = await receive(sock)
                assert (data, sender) == (b"%d" % number, address_of(protocol))
            assert protocol.errors == []


def _resolves(name, family):
    try:
        return bool(socket.getaddrinfo(name, 1, family, socket.SOCK_DGRAM))
    except socket.gaierror:
        return False


async def test_an_address_answers_for_itself_even_if_another_peer_wrote_since(loop, until):
    """Many peers, answered in another order than they wrote in."""
    async with endpoint() as protocol:
        socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(40)]
        try:
            for number, sock in enumerate(socks):
                sock.bind(("127.0.0.1", 0))
                sock.setblocking(False)
                sock.sendto(b"%d" % number, address_of(protocol))
            await until(lambda: len(protocol.received) == len(socks))
            random.Random(1).shuffle(protocol.received)
            for data, sender in protocol.received:
                assert sender == socks[int(data)].getsockname()
                protocol.transport.sendto(data, sender)
            for number, sock in enumerate(socks):
                assert (await receive(sock))[0] == b"%d" % number
        finally:
            for sock in socks:
                sock.close()


async def test_unix_sockets_with_and_without_a_path(loop, tmp_path, until):
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    async with endpoint(EchoDatagrams, local_addr=ours, family=socket.AF_UNIX) as protocol:
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unnamed,
        ):
            named.bind(theirs)
            named.setblocking(False)
            named.sendto(b"named", ours)
            assert await receive(named) == (b"named", ours)
            assert protocol.received == [(b"named", theirs)]
            protocol.transport.sendto(b"as bytes", os.fsencode(theirs))
            assert (await receive(named))[0] == b"as bytes"
            protocol.datagram_received = lambda *datagram: protocol.received.append(datagram)
            unnamed.sendto(b"unnamed", ours)
            await until(lambda: len(protocol.received) == 2)
            assert protocol.received[1] == (b"unnamed", None)


async def test_a_unix_endpoint_connected_to_a_path(loop, tmp_path, until):
    path = str(tmp_path / "path")
    async with (
        endpoint(local_addr=path, family=socket.AF_UNIX) as listener,
        endpoint(remote_addr=path, family=socket.AF_UNIX) as protocol,
    ):
        protocol.transport.sendto(b"x" * 100_000)
        await until(lambda: listener.received)
        assert listener.received == [(b"x" * 100_000, None)]


@pytest.mark.nalsil_only
async def test_one_of_a_pair_of_sockets_is_connected_without_a_name(loop, until):
    """The stock loop takes a peer without a name for none."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with theirs:
        async with endpoint(sock=ours) as protocol:
            protocol.transport.sendto(b"there")
            assert theirs.recv(10) == b"there"
            theirs.send(b"back")
            await until(lambda: protocol.received)
            assert protocol.received == [(b"back", None)]


async def test_a_socket_that_was_passed_in_connected(loop):
    async with connected_unix() as (protocol, theirs):
        protocol.transport.sendto(b"there")
        assert theirs.recv(10) == b"there"


async def test_datagrams_keep_their_bounds_and_their_order(loop, until):
    async with endpoint() as protocol:
        with peer() as one, peer() as other:
            sent = []
            for number in range(100):
                sock = one if number % 3 else other
                data = b"%d" % number * (number % 7)
                sock.sendto(data, address_of(protocol))
                sent.append((data, sock.getsockname()))
            await until(lambda: len(protocol.received) == len(sent))
            assert protocol.received == sent


async def test_an_empty_datagram_arrives(loop, until):
    async with endpoint() as protocol:
        with peer() as sock:
            sock.sendto(b"", address_of(protocol))
            await until(lambda: protocol.received)
            assert protocol.received == [(b"", sock.getsockname())]


@pytest.mark.stock_since(3, 13)
async def test_an_empty_datagram_is_sent(loop):
    async with endpoint() as protocol:
        with peer() as sock:
            protocol.transport.sendto(b"", sock.getsockname())
            protocol.transport.sendto(b"more", sock.getsockname())
            assert [(await receive(sock))[0] for _ in range(2)] == [b"", b"more"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_everything_that_holds_bytes_is_sent(loop, kind):
    async with endpoint() as protocol:
        with peer() as sock:
            protocol.transport.sendto(kind(b"data"), sock.getsockname())
            assert (await receive(sock))[0] == b"data"


async def test_what_holds_no_bytes_is_refused(loop):
    async with endpoint() as protocol:
        with pytest.raises(TypeError, match="must be a bytes-like object, not 'str'"):
            protocol.transport.sendto("text", ("127.0.0.1", 9))
        with pytest.raises(TypeError):
            protocol.transport.sendto()
        assert not protocol.transport.is_closing()


async def test_another_address_than_the_remote_one_is_refused(loop):
    with peer() as sock:
        async with endpoint(remote_addr=sock.getsockname()) as protocol:
            with pytest.raises(ValueError, match=r"Invalid address: must be None or \('127"):
                protocol.transport.sendto(b"x", ("127.0.0.1", 1))
            protocol.transport.sendto(b"x", addr=sock.getsockname())
            protocol.transport.sendto(data=b"y", addr=None)
            assert [(await receive(sock))[0] for _ in range(2)] == [b"x", b"y"]


@pytest.mark.parametrize("address", [None, "text", ("127.0.0.1",), ("127.0.0.1", "port")])
async def test_what_is_no_address_ends_the_endpoint(loop, reported, address):
    async with endpoint() as protocol:
        protocol.transport.sendto(b"x", address)
        assert isinstance(await protocol.lost, TypeError)
    assert [context["message"] for context in reported] == [
        "Fatal write error on datagram transport"
    ]
    assert reported[0]["protocol"] is protocol


async def test_information(loop):
    with peer() as sock:
        async with endpoint(
            local_addr=("127.0.0.1", 0), remote_addr=sock.getsockname()
        ) as protocol:
            transport = protocol.transport
            assert isinstance(transport, asyncio.DatagramTransport)
            assert isinstance(transport, asyncio.Transport)
            assert transport.get_extra_info("peername") == sock.getsockname()
            assert transport.get_extra_info("sockname")[0] == "127.0.0.1"
            assert transport.get_extra_info("socket").type == socket.SOCK_DGRAM
            assert transport.get_extra_info("nothing") is None
            assert transport.get_extra_info("nothing", 7) == 7
            assert transport.get_protocol() is protocol
            assert transport.get_write_buffer_size() == 0
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            assert transport.is_reading()


async def test_another_protocol_gets_what_comes_next(loop, until):
    async with endpoint() as protocol:
        other = Datagrams()
        protocol.transport.set_protocol(other)
        assert protocol.transport.get_protocol() is other
        with peer() as sock:
            sock.sendto(b"x", address_of(protocol))
            await until(lambda: other.received)
        assert protocol.received == []
        other.lost = protocol.lost


async def test_reuse_port_lets_two_share_one(loop):
    async with (
        endpoint(local_addr=("127.0.0.1", 0), reuse_port=True) as one,
        endpoint(local_addr=address_of(one), reuse_port=True) as other,
    ):
        assert address_of(other) == address_of(one)


async def test_allow_broadcast(loop):
    address = ("255.255.255.255", 9)
    async with endpoint(
        local_addr=("127.0.0.1", 0), remote_addr=address, allow_broadcast=True
    ) as protocol:
        sock = protocol.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        assert protocol.transport.get_extra_info("peername") is None
        with pytest.raises(ValueError, match="Invalid address"):
            protocol.transport.sendto(b"x", ("127.0.0.1", 9))


async def test_closing_tells_once_and_sends_nothing_more(loop, turns):
    async with endpoint() as protocol:
        transport = protocol.transport
        transport.close()
        assert transport.is_closing()
        assert not transport.is_reading()
        transport.close()
        transport.abort()
        assert await protocol.lost is None
        await turns(3)
        assert protocol.calls == ["connection_made", "connection_lost"]
        assert "closed" in repr(transport)
        transport.close()
        transport.abort()


async def test_nothing_is_received_after_closing(loop, turns):
    class Closing(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.close()

    async with endpoint(Closing) as protocol:
        with peer() as sock:
            for _ in range(10):
                sock.sendto(b"x", address_of(protocol))
            await protocol.lost
        assert protocol.calls == ["connection_made", "datagram_received", "connection_lost"]


@pytest.mark.nalsil_only
async def test_writing_to_what_is_closed_warns_in_the_end(loop, caplog):
    async with endpoint() as protocol:
        protocol.transport.abort()
        await protocol.lost
        for _ in range(10):
            protocol.transport.sendto(b"x", ("127.0.0.1", 9))
    assert caplog.messages
    assert set(caplog.messages) == {"socket.send() raised exception."}


@pytest.mark.parametrize("seed", range(8))
async def test_pausing_delays_and_loses_nothing(loop, until, seed):
    """Datagrams of random sizes while the protocol pauses and resumes at random."""
    chance = random.Random(seed)

    class Moody(Datagrams):
        def datagram_received(self, data, addr):
            assert self.transport.is_reading()
            super().datagram_received(data, addr)
            if chance.random() < 0.4:
                self.transport.pause_reading()
                self.transport.pause_reading()
                resume = self.transport.resume_reading
                chance.choice([resume, lambda: None])()
                loop.call_soon(chance.choice([loop.call_soon, lambda call: call()]), resume)

    async with endpoint(Moody) as protocol:
        with peer() as one, peer() as other:
            sent = []
            for _ in range(20):
                for _ in range(chance.randrange(12)):
                    sock = chance.choice([one, other])
                    data = chance.randbytes(chance.choice([0, 1, 100, 5_000]))
                    sock.sendto(data, address_of(protocol))
                    sent.append((data, sock.getsockname()))
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                await until(lambda: len(protocol.received) == len(sent))
        assert protocol.received == sent


async def test_a_flood_lets_others_have_their_turn(loop, until):
    """What waits is not received at one go: a callback runs before all of it is delivered."""
    seen = []

    class Noting(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if len(self.received) == 1:
                loop.call_soon(lambda: seen.append(len(self.received)))

    async with endpoint(Noting) as protocol:
        protocol.transport.pause_reading()
        with peer() as sock:
            for _ in range(150):
                sock.sendto(b"x", address_of(protocol))
        protocol.transport.resume_reading()
        await until(lambda: len(protocol.received) == 150)
    assert seen[0] <= 64


async def test_the_context_is_that_of_the_making(loop, until):
    import contextvars

    variable = contextvars.ContextVar("variable")
    variable.set("made")
    seen = []

    class Noting(Datagrams):
        def datagram_received(self, data, addr):
            seen.append(variable.get())
            super().datagram_received(data, addr)

    async with endpoint(Noting) as protocol:
        variable.set("later")
        with peer() as sock:
            sock.sendto(b"x", address_of(protocol))
            await until(lambda: protocol.received)
    assert seen == ["made"]


def test_one_that_nobody_closes_warns_and_closes(new_loop):
    loop = new_loop()

    async def make():
        transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
        return transport.get_extra_info("socket").fileno()

    fd = loop.run_until_complete(make())
    loop.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    texts = [str(one.message) for one in caught]
    assert len([text for text in texts if text.startswith("unclosed transport")]) == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


async def test_descriptors_of_an_endpoint_cannot_be_watched_by_others(loop):
    async with endpoint() as protocol:
        fd = protocol.transport.get_extra_info("socket").fileno()
        with pytest.raises(RuntimeError, match="is used by transport"):
            loop.add_reader(fd, print)


@pytest.mark.nalsil_only
async def test_a_protocol_without_the_method_is_refused_where_it_is_passed(loop):
    with pytest.raises(AttributeError, match="connection_made"):
        await loop.create_datagram_endpoint(object, local_addr=("127.0.0.1", 0))
