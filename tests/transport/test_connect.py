"""create_connection: where it connects to, from where, and how it fails."""

import asyncio
import socket

import pytest

from .protocols import BufferedRecorder, Echo, Recorder, refused_port, tcp_pair

NAME = "somewhere.test"


@pytest.fixture
def resolving(new_loop):
    """Makes a loop that resolves `somewhere.test` to the given addresses."""
    kind = type(new_loop())

    def make(*addresses):
        class Resolving(kind):
            async def getaddrinfo(self, host, port, **options):
                if host == NAME:
                    return [info(*address) for address in addresses]
                return await super().getaddrinfo(host, port, **options)

        loop = Resolving()
        made.append(loop)
        return loop

    made = []
    yield make
    for loop in made:
        loop.close()


def info(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = (host, port, 0, 0) if family == socket.AF_INET6 else (host, port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address


async def serve(loop, host="127.0.0.1"):
    server = await loop.create_server(Echo, host, 0)
    return server, server.sockets[0].getsockname()[1]


async def end(server, *protocols):
    for protocol in protocols:
        protocol.transport.close()
        await protocol.lost
    server.close()
    await asyncio.sleep(0)
    while server.sockets:
        await asyncio.sleep(0)
    await asyncio.sleep(0.005)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", b"127.0.0.1"])
@pytest.mark.parametrize("port_kind", [int, str])
async def test_connects_by_address_and_by_name(loop, until, host, port_kind):
    server, port = await serve(loop)
    transport, protocol = await loop.create_connection(
        Recorder, host, port_kind(port), family=socket.AF_INET
    )
    assert protocol.calls == ["connection_made"]
    transport.write(b"spam")
    await until(lambda: protocol.data == b"spam")
    assert transport.get_extra_info("peername") == ("127.0.0.1", port)
    await end(server, protocol)


async def test_connects_over_ipv6(loop, until):
    server, port = await serve(loop, "::1")
    transport, protocol = await loop.create_connection(BufferedRecorder, "::1", port)
    transport.write(b"spam")
    await until(lambda: protocol.data == b"spam")
    assert transport.get_extra_info("peername") == ("::1", port, 0, 0)
    await end(server, protocol)


async def test_takes_a_connected_socket(loop):
    ours, peer = tcp_pair()
    with peer:
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert transport.get_extra_info("socket").fileno() == ours.fileno()
        transport.close()
        assert await protocol.lost is None
        await asyncio.sleep(0)
        assert ours.fileno() == -1


async def test_connect_accepted_socket_makes_a_transport(loop, until):
    ours, peer = tcp_pair()
    with peer:
        transport, protocol = await loop.connect_accepted_socket(Echo, ours)
        peer.send(b"x")
        await until(lambda: protocol.data == b"x")
        transport.close()
        await protocol.lost


async def test_local_addr_is_where_it_comes_from(loop):
    server, port = await serve(loop)
    transport, protocol = await loop.create_connection(
        Recorder, "127.0.0.1", port, local_addr=("127.0.0.2", 0)
    )
    assert transport.get_extra_info("sockname")[0] == "127.0.0.2"
    await end(server, protocol)


async def test_a_local_addr_in_use_is_told(loop):
    server, port = await serve(loop)
    with pytest.raises(OSError, match="error while attempting to bind on address"):
        await loop.create_connection(Recorder, "127.0.0.1", port, local_addr=("127.0.0.1", port))
    await end(server)


async def test_a_local_addr_of_another_family_is_told(loop):
    server, port = await serve(loop)
    with pytest.raises(OSError, match="no matching local address with family"):
        await loop.create_connection(Recorder, "127.0.0.1", port, local_addr=("::1", 0))
    await end(server)


async def test_a_refused_connection_says_where(loop):
    port = refused_port()
    with pytest.raises(ConnectionRefusedError, match=rf"Connect call failed .*{port}"):
        await loop.create_connection(Recorder, "127.0.0.1", port)


def test_the_next_address_is_tried_when_one_fails(resolving):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = resolving(("127.0.0.1", refused_port()), listener.getsockname())

        async def main():
            transport, protocol = await loop.create_connection(Recorder, NAME, 1)
            assert transport.get_extra_info("peername") == listener.getsockname()
            transport.close()
            await protocol.lost

        loop.run_until_complete(main())


def test_one_error_for_all_addresses_is_raised_as_it_is(resolving):
    port = refused_port()
    loop = resolving(("127.0.0.1", port), ("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        loop.run_until_complete(loop.create_connection(Recorder, NAME, port))


def test_different_errors_are_put_together(resolving):
    ports = [refused_port(), refused_port()]
    loop = resolving(*(("127.0.0.1", port) for port in ports))
    with pytest.raises(OSError, match="Multiple exceptions: ") as caught:
        loop.run_until_complete(loop.create_connection(Recorder, NAME, 1))
    assert all(str(port) in str(caught.value) for port in ports)


@pytest.mark.stock_since(3, 12)
def test_all_errors_gives_every_one(resolving):
    ports = [refused_port(), refused_port()]
    loop = resolving(*(("127.0.0.1", port) for port in ports))
    with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
        loop.run_until_complete(loop.create_connection(Recorder, NAME, 1, all_errors=True))
    assert all(isinstance(error, ConnectionRefusedError) for error in caught.value.exceptions)
    assert len(caught.value.exceptions) == 2


@pytest.mark.stock_since(3, 12)
@pytest.mark.parametrize(
    ("interleave", "order"),
    [(None, "ABCxy"), (1, "AxByC"), (2, "ABxCy")],
)
def test_interleave_mixes_the_families(resolving, interleave, order):
    ports = {letter: refused_port() for letter in "ABCxy"}
    loop = resolving(
        *((("127.0.0.1" if name.isupper() else "::1"), ports[name]) for name in "ABCxy")
    )
    with pytest.raises(ExceptionGroup) as caught:
        loop.run_until_complete(
            loop.create_connection(Recorder, NAME, 1, interleave=interleave, all_errors=True)
        )
    tried = [str(error) for error in caught.value.exceptions]
    assert all(str(ports[name]) in text for name, text in zip(order, tried, strict=True))


def test_a_name_without_addresses_is_told(resolving):
    loop = resolving()
    with pytest.raises(OSError, match="empty list"):
        loop.run_until_complete(loop.create_connection(Recorder, NAME, 1))


async def test_many_connections_at_once(loop):
    server, port = await serve(loop)

    async def client(number):
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port)
        data = b"%04d" % number * 100
        transport.write(data)
        while len(protocol.data) < len(data):
            await asyncio.sleep(0.001)
        assert protocol.data == data
        transport.close()
        await protocol.lost

    await asyncio.gather(*(client(number) for number in range(200)))
    await end(server)
