"""create_server: what it listens on, and with which options."""

import asyncio
import contextlib
import errno
import os
import socket

import pytest

from .protocols import Echo, refused_port


@contextlib.asynccontextmanager
async def serving(loop, *args, **options):
    server = await loop.create_server(Echo, *args, **options)
    try:
        yield server
    finally:
        server.close()
        # Each connection's end is one turn behind that of its peer.
        await asyncio.sleep(0.005)


def addresses(server):
    return [sock.getsockname() for sock in server.sockets]


async def ask(loop, address, family=socket.AF_INET):
    with socket.socket(family) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        await loop.sock_sendall(sock, b"ping")
        return await loop.sock_recv(sock, 10)


async def test_one_address(loop):
    async with serving(loop, "127.0.0.1", 0) as server:
        ((host, port),) = addresses(server)
        assert host == "127.0.0.1"
        assert port > 0
        assert await ask(loop, (host, port)) == b"ping"


@pytest.mark.parametrize("host", [None, ""])
async def test_no_host_means_every_interface_of_both_families(loop, host):
    async with serving(loop, host, refused_port()) as server:
        assert {sock.family for sock in server.sockets} == {socket.AF_INET, socket.AF_INET6}
        port = addresses(server)[0][1]
        assert await ask(loop, ("127.0.0.1", port)) == b"ping"
        assert await ask(loop, ("::1", port), socket.AF_INET6) == b"ping"


async def test_several_hosts(loop):
    port = refused_port()
    async with serving(loop, ["127.0.0.1", "127.0.0.2", "::1"], port) as server:
        hosts = {address[0] for address in addresses(server)}
        assert hosts == {"127.0.0.1", "127.0.0.2", "::1"}
        assert await ask(loop, ("127.0.0.2", port)) == b"ping"
        assert await ask(loop, ("::1", port), socket.AF_INET6) == b"ping"


async def test_a_host_named_twice_is_listened_on_once(loop):
    async with serving(loop, ["127.0.0.1", "127.0.0.1"], refused_port()) as server:
        assert len(server.sockets) == 1


async def test_family_narrows_it(loop):
    async with serving(loop, None, 0, family=socket.AF_INET) as server:
        assert [sock.family for sock in server.sockets] == [socket.AF_INET]


async def test_ipv6_listens_for_ipv6_only(loop):
    port = refused_port()
    async with serving(loop, "::", port) as server:
        sock = server.sockets[0]
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        async with serving(loop, "0.0.0.0", port):
            assert await ask(loop, ("127.0.0.1", port)) == b"ping"


async def test_the_address_may_be_used_again_at_once(loop):
    async with serving(loop, "127.0.0.1", 0) as server:
        assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
        address = addresses(server)[0]
        assert await ask(loop, address) == b"ping"
    async with serving(loop, *address) as server:
        assert addresses(server) == [address]


async def test_reuse_address_may_be_refused(loop):
    async with serving(loop, "127.0.0.1", 0, reuse_address=False) as server:
        assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


async def test_reuse_port_lets_two_share_it(loop):
    async with serving(loop, "127.0.0.1", 0, reuse_port=True) as server:
        address = addresses(server)[0]
        assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
        async with serving(loop, *address, reuse_port=True):
            assert await ask(loop, address) == b"ping"


@pytest.mark.stock_since(3, 13)
@pytest.mark.parametrize("wanted", [True, False])
async def test_keep_alive(loop, wanted):
    async with serving(loop, "127.0.0.1", 0, keep_alive=wanted) as server:
        got = server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert bool(got) is wanted


async def test_an_address_in_use_is_told(loop):
    async with serving(loop, "127.0.0.1", 0) as server:
        host, port = addresses(server)[0]
        with pytest.raises(OSError, match="error while attempting to bind on address") as caught:
            await loop.create_server(Echo, host, port)
        assert caught.value.errno == errno.EADDRINUSE
        assert str(port) in str(caught.value)


async def test_one_address_of_several_in_use_leaves_none_open(loop):
    async with serving(loop, "127.0.0.2", 0) as server:
        port = addresses(server)[0][1]
        with pytest.raises(OSError, match="attempting to bind"):
            await loop.create_server(Echo, ["127.0.0.1", "127.0.0.2"], port)
        with socket.socket() as sock:
            assert sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


async def test_takes_a_socket(loop):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
        async with serving(loop, sock=sock) as server:
            assert addresses(server) == [address]
            assert await ask(loop, address) == b"ping"
        assert sock.fileno() == -1


async def test_a_port_may_be_a_string(loop):
    port = refused_port()
    async with serving(loop, "127.0.0.1", str(port)) as server:
        assert addresses(server) == [("127.0.0.1", port)]


async def test_start_serving_false_waits_until_told(loop):
    async with serving(loop, "127.0.0.1", 0, start_serving=False) as server:
        assert not server.is_serving()
        with socket.socket() as sock:
            assert sock.connect_ex(addresses(server)[0]) == errno.ECONNREFUSED
        await server.start_serving()
        assert server.is_serving()
        await server.start_serving()
        assert await ask(loop, addresses(server)[0]) == b"ping"


async def test_a_backlog_of_connections_is_served(loop):
    async with serving(loop, "127.0.0.1", 0, backlog=100) as server:
        answers = await asyncio.gather(*(ask(loop, addresses(server)[0]) for _ in range(50)))
        assert answers == [b"ping"] * 50


async def test_accepted_connections_are_like_any_other(loop, until):
    made = []

    def factory():
        made.append(Echo())
        return made[-1]

    server = await loop.create_server(factory, "127.0.0.1", 0)
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, server.sockets[0].getsockname())
        await until(lambda: made and made[0].transport)
        transport = made[0].transport
        assert transport.get_extra_info("peername") == sock.getsockname()
        assert transport.get_extra_info("sockname") == server.sockets[0].getsockname()
        accepted = transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert await made[0].lost is None
    server.close()
    await asyncio.sleep(0)


async def test_descriptors_are_not_inherited(loop, until):
    made = []

    def factory():
        made.append(Echo())
        return made[-1]

    server = await loop.create_server(factory, "127.0.0.1", 0)
    assert not os.get_inheritable(server.sockets[0].fileno())
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, server.sockets[0].getsockname())
        await until(lambda: made and made[0].transport)
        fd = made[0].transport.get_extra_info("socket").fileno()
        assert not os.get_inheritable(fd)
        assert not os.get_blocking(fd)
    assert await made[0].lost is None
    server.close()
    await asyncio.sleep(0)
