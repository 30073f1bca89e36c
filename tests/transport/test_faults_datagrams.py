"""Datagram endpoints when things go wrong: refused, too large, full, closed, raising, cancelled."""

import asyncio
import errno
import socket

import pytest

from .cancellation import cancel_at_every_point
from .datagrams import Datagrams, address_of, connected_unix, endpoint, peer, receive
from .protocols import refused_port


def refused_udp_port():
    """A UDP port of 127.0.0.1 that nobody has."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def test_a_closed_port_is_an_error_and_not_the_end(loop, until):
    address = ("127.0.0.1", refused_udp_port())
    async with endpoint(remote_addr=address) as protocol:
        protocol.transport.sendto(b"is anybody there?")
        await until(lambda: protocol.errors)
        assert isinstance(protocol.errors[0], ConnectionRefusedError)
        with socket.socket(type=socket.SOCK_DGRAM) as late:
            late.bind(address)
            late.setblocking(False)
            protocol.transport.sendto(b"now")
            assert (await receive(late))[0] == b"now"
            late.sendto(b"yes", address_of(protocol))
            await until(lambda: protocol.received)
        assert not protocol.transport.is_closing()


async def test_a_refusal_while_sending_is_told_at_once(loop, until):
    async with endpoint(remote_addr=("127.0.0.1", refused_udp_port())) as protocol:
        while not protocol.errors:
            protocol.transport.sendto(b"x")
        assert isinstance(protocol.errors[0], ConnectionRefusedError)


async def test_a_datagram_that_is_too_large_is_told_and_the_next_is_sent(loop):
    async with endpoint() as protocol:
        with peer() as sock:
            protocol.transport.sendto(b"x" * 70_000, sock.getsockname())
            assert [error.errno for error in protocol.errors] == [errno.EMSGSIZE]
            protocol.transport.sendto(b"x" * 65_507, sock.getsockname())
            assert (await receive(sock))[0] == b"x" * 65_507


async def test_the_largest_datagrams_arrive_whole(loop, until):
    async with endpoint() as protocol:
        with peer() as sock:
            for number in range(3):
                sock.sendto(b"%d" % number * 65_507, address_of(protocol))
                await until(lambda count=number + 1: len(protocol.received) == count)
        assert [data for data, _ in protocol.received] == [b"%d" % n * 65_507 for n in range(3)]


async def test_a_full_peer_makes_the_protocol_pause_and_loses_nothing(loop, until):
    async with connected_unix() as (protocol, theirs):
        transport = protocol.transport
        transport.set_write_buffer_limits(high=10_000)
        sent = []
        while "pause_writing" not in protocol.calls:
            sent.append(b"%d" % len(sent) * 300)
            transport.sendto(sent[-1])
        assert transport.get_write_buffer_size() > 10_000
        received = [(await receive(theirs))[0] for _ in sent]
        assert received == sent
        await until(lambda: "resume_writing" in protocol.calls)
        assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]


@pytest.mark.nalsil_only
async def test_what_is_queued_counts_with_a_header_each(loop, until):
    async with connected_unix() as (protocol, theirs):
        transport = protocol.transport
        while transport.get_write_buffer_size() == 0:
            transport.sendto(b"full")
        assert transport.get_write_buffer_size() == 12
        transport.sendto(b"")
        assert transport.get_write_buffer_size() == 20
        while transport.get_write_buffer_size():
            await receive(theirs)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_what_is_queued_does_not_change_afterwards(loop, kind):
    async with connected_unix() as (protocol, theirs):
        before = 0
        while not protocol.transport.get_write_buffer_size():
            protocol.transport.sendto(b"full")
            before += 1
        data = bytearray(b"old")
        protocol.transport.sendto(kind(data))
        data[:] = b"new"
        for _ in range(before):
            await receive(theirs)
        assert (await receive(theirs))[0] == b"old"


async def test_closing_sends_what_is_queued(loop):
    async with connected_unix() as (protocol, theirs):
        sent = 0
        while not protocol.transport.get_write_buffer_size():
            protocol.transport.sendto(b"%d" % sent)
            sent += 1
        protocol.transport.close()
        assert not protocol.lost.done()
        assert [(await receive(theirs))[0] for _ in range(sent)] == [b"%d" % n for n in range(sent)]
        assert await protocol.lost is None


async def test_aborting_drops_what_is_queued(loop):
    async with connected_unix() as (protocol, _):
        while not protocol.transport.get_write_buffer_size():
            protocol.transport.sendto(b"x")
        protocol.transport.abort()
        assert await protocol.lost is None


async def test_errors_while_the_queue_is_sent_are_told_and_the_rest_goes_on(loop, until):
    async with connected_unix() as (protocol, theirs):
        while not protocol.transport.get_write_buffer_size():
            protocol.transport.sendto(b"x")
        protocol.transport.sendto(b"y")
        theirs.close()
        await until(lambda: len(protocol.errors) >= 2)
        assert isinstance(protocol.errors[0], ConnectionRefusedError)
        assert all(isinstance(error, OSError) for error in protocol.errors)
        assert not protocol.transport.is_closing()


async def test_what_a_protocol_raises_is_reported_and_the_endpoint_goes_on(loop, until, reported):
    class Failing(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            raise ValueError(data)

    async with endpoint(Failing) as protocol:
        with peer() as sock:
            for number in range(6):
                sock.sendto(b"%d" % number, address_of(protocol))
            await until(lambda: len(protocol.received) == 6)
    assert [context["exception"].args for context in reported] == [(b"%d" % n,) for n in range(6)]


async def test_what_error_received_raises_reaches_who_sends(loop):
    class Failing(Datagrams):
        def error_received(self, exc):
            raise ValueError("from the protocol")

    async with endpoint(Failing) as protocol:
        with pytest.raises(ValueError, match="from the protocol"):
            protocol.transport.sendto(b"x" * 70_000, ("127.0.0.1", 9))


def test_what_ends_the_run_ends_it(new_loop):
    loop = new_loop()

    class Interrupting(Datagrams):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            raise KeyboardInterrupt

    async def make():
        return await loop.create_datagram_endpoint(Interrupting, local_addr=("127.0.0.1", 0))

    transport, protocol = loop.run_until_complete(make())
    with peer() as sock:
        sock.sendto(b"x", address_of(protocol))
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    transport.close()
    loop.run_until_complete(protocol.lost)


async def test_a_protocol_may_abort_in_every_callback(loop, until):
    class Aborting(Datagrams):
        def error_received(self, exc):
            super().error_received(exc)
            self.transport.abort()

    async with endpoint(Aborting) as protocol:
        protocol.transport.sendto(b"x" * 70_000, ("127.0.0.1", 9))
        assert await protocol.lost is None
        assert protocol.calls == ["connection_made", "error_received", "connection_lost"]


@pytest.mark.nalsil_only
async def test_a_socket_that_was_detached_is_not_used_any_more(loop, until):
    """Its number may be another connection's by now."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    async with endpoint(sock=sock) as protocol:
        detached = socket.socket(fileno=sock.detach())
        with detached, peer() as other:
            protocol.transport.sendto(b"x", other.getsockname())
            assert [error.errno for error in protocol.errors] == [errno.EBADF]
            protocol.transport.abort()
            await protocol.lost
            detached.sendto(b"mine", other.getsockname())
            assert (await receive(other))[0] == b"mine"


@pytest.mark.nalsil_only
async def test_a_socket_that_its_owner_closes_stays_open_until_the_end(loop):
    sock = socket.socket(type=socket.SOCK_DGRAM)
    async with endpoint(sock=sock) as protocol:
        sock.close()
        with peer() as other:
            protocol.transport.sendto(b"x", other.getsockname())
            assert (await receive(other))[0] == b"x"


def test_running_out_of_descriptors_is_told_and_recovers(program):
    done = program("""
        import asyncio, os, resource

        async def make():
            loop = asyncio.get_running_loop()
            return await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))

        async def main():
            transport, _ = await make()
            transport.close()
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, limit[1]))
            hoard = []
            try:
                while True:
                    hoard.append(os.dup(0))
            except OSError:
                pass
            try:
                await make()
            except OSError as error:
                print(type(error).__name__, error.errno)
            for fd in hoard:
                os.close(fd)
            transport, _ = await make()
            print(transport.is_closing())
            transport.close()
            await asyncio.sleep(0)

        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """)
    assert done.stdout.splitlines() == ["OSError 24", "False"], done.stderr


@pytest.mark.parametrize("kind", ["local", "remote"])
async def test_create_datagram_endpoint_cancelled_at_every_point(loop, kind):
    async def close(result):
        transport, protocol = result
        transport.close()
        await protocol.lost

    address = ("127.0.0.1", 0) if kind == "local" else ("127.0.0.1", refused_port())
    await cancel_at_every_point(
        loop,
        lambda peers: loop.create_datagram_endpoint(Datagrams, **{f"{kind}_addr": address}),
        close,
    )


@pytest.mark.nalsil_only
async def test_a_factory_that_raises_leaves_nothing_behind(loop):
    def fail():
        raise ValueError("no protocol")

    with pytest.raises(ValueError, match="no protocol"):
        await loop.create_datagram_endpoint(fail, local_addr=("127.0.0.1", 0))
    await asyncio.sleep(0)
