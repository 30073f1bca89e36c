"""Names: `await loop.getaddrinfo` and `getnameinfo` against those of `socket`."""

import asyncio
import concurrent.futures
import itertools
import random
import socket

import pytest

LITERALS = [
    "127.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "192.0.2.2",
    "1.2.3.4",
    "::",
    "::1",
    "::ffff:1.2.3.4",
    "2001:db8::1",
    "2001:DB8:0:0::1",
    "fe80::1",
    "fe80::1%lo",
    "fe80::1%1",
    "fe80::1%999999",
    "fe80::1%nosuch",
    "::1%lo",
    "2001:db8::1%lo",
    "ff02::1%lo",
    b"127.0.0.1",
    b"::1",
]
# What inet_aton reads but inet_pton does not, and what only looks like an address.
ODD = [
    "127.1",
    "1",
    "0x7f.1",
    "0177.0.0.1",
    "127.0.0.1 ",
    " 127.0.0.1",
    "256.0.0.1",
    "1.2.3.4.5",
    "01.02.03.04",
    ":::",
    "1::2::3",
    "::1%",
    "[::1]",
    "12345::",
    "",
    None,
    "127.0.0.1\0",
]
FAMILIES = [0, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 9999]
TYPES = [0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, 99]
PROTOS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP, 132]
PORTS = [None, 0, 80, "80", b"80", "http", b"http", "ntp", "nosuchservice", "", 65535]
ODD_PORTS = [-1, 65536, 10**6, 2**70, "-1", "65536", "0x50", " 80", "80 ", "8 0", 1.5]
FLAGS = [
    0,
    socket.AI_PASSIVE,
    socket.AI_NUMERICHOST,
    socket.AI_NUMERICSERV,
    socket.AI_NUMERICHOST | socket.AI_NUMERICSERV | socket.AI_PASSIVE,
    socket.AI_CANONNAME,
    socket.AI_V4MAPPED,
    socket.AI_V4MAPPED | socket.AI_ALL,
    socket.AI_ADDRCONFIG,
    1 << 20,
]


def outcome(call):
    """What a call gives, or the kind and arguments of its error."""
    try:
        return call()
    except (OSError, ValueError, TypeError, OverflowError) as error:
        return type(error), error.args


async def differences(loop, questions):
    """The questions that the loop answers otherwise than `socket` does."""
    found = []
    for host, port, family, kind, proto, flags in questions:
        expected = outcome(
            lambda q=(host, port, family, kind, proto, flags): socket.getaddrinfo(*q)
        )
        try:
            got = await loop.getaddrinfo(
                host, port, family=family, type=kind, proto=proto, flags=flags
            )
        except (OSError, ValueError, TypeError, OverflowError) as error:
            got = type(error), error.args
        if got != expected:
            found.append(((host, port, family, kind, proto, flags), got, expected))
    return found


@pytest.mark.parametrize("host", LITERALS, ids=str)
def test_a_literal_gives_what_socket_gives(run, loop, host):
    questions = itertools.product([host], [80, "http", None], FAMILIES, TYPES, PROTOS, [0])
    assert run(differences(loop, questions)) == []


@pytest.mark.parametrize("flags", FLAGS, ids=hex)
def test_flags_give_what_socket_gives(run, loop, flags):
    hosts = ["127.0.0.1", "::1", "::ffff:1.2.3.4", "fe80::1%lo", "0.0.0.0", None]
    questions = itertools.product(hosts, [80, "http"], [0, 2, 10], [0, 1, 2], [0], [flags])
    assert run(differences(loop, questions)) == []


@pytest.mark.parametrize("port", PORTS + ODD_PORTS, ids=repr)
def test_ports_give_what_socket_gives(run, loop, port):
    questions = itertools.product(["127.0.0.1", "::1"], [port], [0], TYPES, [0, 6, 17], [0, 1024])
    assert run(differences(loop, questions)) == []


@pytest.mark.parametrize("host", ODD, ids=repr)
def test_odd_hosts_give_what_socket_gives(run, loop, host):
    flags = socket.AI_NUMERICHOST
    questions = itertools.product([host], [80], [0, 2, 10], [0, 1], [0], [flags])
    assert run(differences(loop, questions)) == []


@pytest.mark.parametrize(
    "host", [1, 1.5, ("127.0.0.1",), object, bytearray(b"127.0.0.1")], ids=repr
)
def test_what_is_no_host_is_refused_as_by_socket(run, loop, host):
    assert run(differences(loop, [(host, 80, 0, 1, 0, 0)])) == []


def test_random_questions_give_what_socket_gives(run, loop):
    source = random.Random(3)
    everything = [LITERALS, PORTS, FAMILIES, TYPES, PROTOS, FLAGS]
    questions = [tuple(source.choice(choices) for choices in everything) for _ in range(3000)]
    assert run(differences(loop, questions)) == []


def test_random_addresses_give_what_socket_gives(run, loop):
    source = random.Random(4)
    hosts = [socket.inet_ntop(socket.AF_INET, source.randbytes(4)) for _ in range(200)]
    for _ in range(200):
        words = [source.choice([0, 0, 1, 0xFFFF, source.getrandbits(16)]) for _ in range(8)]
        packed = b"".join(word.to_bytes(2, "big") for word in words)
        hosts.append(socket.inet_ntop(socket.AF_INET6, packed))
    # Most random addresses with a character too many or too few are none.
    for host in list(hosts[::10]):
        hosts += [host[:-1], host + ":", host.replace(":", "::", 1)]
    questions = [(host, 80, 0, 1, 0, socket.AI_NUMERICHOST) for host in hosts]
    assert run(differences(loop, questions)) == []


def test_the_order_of_the_arguments_is_asyncios(run, loop):
    async def main():
        with pytest.raises(TypeError):
            await loop.getaddrinfo("127.0.0.1", 80, socket.AF_INET)
        return await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)

    assert run(main()) == socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)


def test_results_have_the_enums_of_socket(run, loop):
    async def main():
        return await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)

    ((family, kind, _, _, _),) = run(main())
    assert isinstance(family, socket.AddressFamily)
    assert isinstance(kind, socket.SocketKind)


class Refusing(concurrent.futures.ThreadPoolExecutor):
    """An executor that takes no work."""

    def submit(self, fn, /, *args, **kwargs):
        raise AssertionError(f"{fn} was handed to a thread")


@pytest.mark.nalsil_only
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:1.2.3.4", b"127.0.0.1", "fe80::1%lo"])
@pytest.mark.parametrize("port", [80, None, "80", "http"])
def test_a_literal_never_leaves_the_thread(run, loop, host, port):
    loop.set_default_executor(Refusing())
    questions = itertools.product([host], [port], [0], [0, 1, 2], [0], [0])
    assert run(differences(loop, questions)) == []


def test_connecting_to_a_literal_never_leaves_the_thread(run, loop):
    loop.set_default_executor(Refusing())

    async def main():
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport.close()
        server.close()
        await asyncio.sleep(0.01)

    run(main())


def test_connecting_to_a_literal_asks_no_getaddrinfo(new_loop):
    class Refusing(type(new_loop())):
        async def getaddrinfo(self, host, port, **options):
            raise AssertionError(f"looked up {host}")

    loop = Refusing()

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            address = listener.getsockname()
            transport, _ = await loop.create_connection(asyncio.Protocol, *address)
            transport.close()
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            await asyncio.sleep(0.01)

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_a_name_goes_to_a_worker_and_comes_back(run, loop):
    async def main():
        return await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)

    assert run(main()) == socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)


def test_a_name_that_does_not_exist_raises_gaierror(run, loop):
    async def main():
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("no such host.invalid", 80)

    run(main())


def test_a_lookup_may_be_cancelled(run, loop):
    async def main():
        task = loop.create_task(loop.getaddrinfo("localhost", 80))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


@pytest.mark.parametrize("address", [("127.0.0.1", 80), ("::1", 80), ("::1", 80, 0, 0)])
@pytest.mark.parametrize("flags", [0, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV])
def test_getnameinfo_gives_what_socket_gives(run, loop, address, flags):
    assert run(loop.getnameinfo(address, flags)) == socket.getnameinfo(address, flags)


@pytest.mark.parametrize("address", [("127.0.0.1",), "127.0.0.1", (1, 2), ("spam eggs", 80), None])
def test_getnameinfo_refuses_what_socket_refuses(run, loop, address):
    async def main():
        try:
            return await loop.getnameinfo(address)
        except (OSError, TypeError) as error:
            return type(error), error.args

    assert run(main()) == outcome(lambda: socket.getnameinfo(address, 0))
