"""The `sock_*` coroutines: plain sockets, awaited."""

import asyncio
import contextlib
import socket

import pytest

from .protocols import read_exactly, refused_port


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    with left, right:
        yield left, right


@pytest.fixture
def datagrams():
    """Two UDP sockets of 127.0.0.1."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as one,
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        yield one, other


async def test_recv_gives_what_is_there(loop, pair):
    left, right = pair
    right.send(b"spam")
    assert await loop.sock_recv(left, 100) == b"spam"


async def test_recv_waits(loop, pair):
    left, right = pair
    task = loop.create_task(loop.sock_recv(left, 100))
    await asyncio.sleep(0)
    assert not task.done()
    right.send(b"spam")
    assert await task == b"spam"


async def test_recv_gives_no_more_than_asked_for(loop, pair):
    left, right = pair
    right.send(b"0123456789")
    assert await loop.sock_recv(left, 4) == b"0123"
    assert await loop.sock_recv(left, 100) == b"456789"


async def test_recv_gives_nothing_at_the_end(loop, pair):
    left, right = pair
    right.close()
    assert await loop.sock_recv(left, 100) == b""


async def test_recv_raises_what_the_socket_raises(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        conn, _ = listener.accept()
        conn.setblocking(False)
        with conn:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
            with pytest.raises(ConnectionResetError):
                await loop.sock_recv(conn, 1)


async def test_recv_on_a_closed_socket_is_refused(loop, pair):
    left, _ = pair
    left.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        await loop.sock_recv(left, 1)


@pytest.mark.parametrize("kind", [bytearray, lambda n: memoryview(bytearray(n))])
async def test_recv_into(loop, pair, kind):
    left, right = pair
    buffer = kind(10)
    task = loop.create_task(loop.sock_recv_into(left, buffer))
    await asyncio.sleep(0)
    right.send(b"spam")
    assert await task == 4
    assert bytes(buffer[:4]) == b"spam"
    right.send(b"0123456789more")
    assert await loop.sock_recv_into(left, buffer) == 10
    assert bytes(buffer) == b"0123456789"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_sendall_sends_all(loop, pair, kind):
    left, right = pair
    data = bytes(range(256)) * 10_000
    task = loop.create_task(loop.sock_sendall(left, kind(data)))
    assert await read_exactly(right, len(data)) == data
    assert await task is None


async def test_sendall_of_nothing(loop, pair):
    left, _ = pair
    assert await loop.sock_sendall(left, b"") is None


@pytest.mark.nalsil_only  # the stock loop counts words as bytes and never ends
async def test_sendall_of_words_counts_bytes(loop, pair):
    left, right = pair
    words = memoryview(bytes(range(64)) * 50_000).cast("Q")
    task = loop.create_task(loop.sock_sendall(left, words))
    assert await read_exactly(right, words.nbytes) == bytes(words)
    await task


async def test_sendall_to_a_closed_peer_raises(loop, pair):
    left, right = pair
    right.close()
    with pytest.raises(BrokenPipeError):
        await loop.sock_sendall(left, b"x" * 1_000_000)


async def test_both_directions_at_once(loop, pair):
    left, right = pair
    data = b"x" * 1_000_000

    async def both(sock):
        sending = loop.create_task(loop.sock_sendall(sock, data))
        received = await read_exactly(sock, len(data))
        await sending
        return received

    assert await asyncio.gather(both(left), both(right)) == [data, data]


async def test_connect_and_accept(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listener.setblocking(False)
        client.setblocking(False)
        accepting = loop.create_task(loop.sock_accept(listener))
        await loop.sock_connect(client, listener.getsockname())
        conn, address = await accepting
        with conn:
            assert address == client.getsockname()
            assert conn.gettimeout() == 0
            await loop.sock_sendall(client, b"hello")
            assert await loop.sock_recv(conn, 10) == b"hello"


async def test_connect_by_name(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("localhost", listener.getsockname()[1]))
        assert client.getpeername() == listener.getsockname()


async def test_connect_over_unix(loop, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        client.setblocking(False)
        await loop.sock_connect(client, path)
        assert client.getpeername() == path


async def test_a_refused_connect_is_told(loop):
    port = refused_port()
    with socket.socket() as client:
        client.setblocking(False)
        with pytest.raises(ConnectionRefusedError, match=str(port)):
            await loop.sock_connect(client, ("127.0.0.1", port))


async def test_two_hundred_accepts(loop):
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        listener.setblocking(False)

        async def serve():
            for _ in range(200):
                conn, _ = await loop.sock_accept(listener)
                with conn:
                    await loop.sock_sendall(conn, await loop.sock_recv(conn, 10))

        async def ask(number):
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, listener.getsockname())
                await loop.sock_sendall(sock, b"%d" % number)
                assert await loop.sock_recv(sock, 10) == b"%d" % number

        await asyncio.gather(serve(), *(ask(number) for number in range(200)))


async def test_recvfrom_and_sendto(loop, datagrams):
    one, other = datagrams
    receiving = loop.create_task(loop.sock_recvfrom(other, 100))
    await asyncio.sleep(0)
    assert await loop.sock_sendto(one, b"spam", other.getsockname()) == 4
    assert await receiving == (b"spam", one.getsockname())


async def test_recvfrom_into(loop, datagrams):
    one, other = datagrams
    buffer = bytearray(100)
    await loop.sock_sendto(one, b"spam", other.getsockname())
    assert await loop.sock_recvfrom_into(other, buffer) == (4, one.getsockname())
    assert buffer[:4] == b"spam"
    await loop.sock_sendto(one, b"0123456789", other.getsockname())
    assert await loop.sock_recvfrom_into(other, buffer, 5) == (5, one.getsockname())
    assert buffer[:5] == b"01234"


async def test_an_empty_datagram_arrives(loop, datagrams):
    one, other = datagrams
    await loop.sock_sendto(one, b"", other.getsockname())
    assert await loop.sock_recvfrom(other, 100) == (b"", one.getsockname())


async def test_datagrams_keep_their_bounds(loop, datagrams):
    one, other = datagrams
    for number in range(20):
        await loop.sock_sendto(one, b"x" * number, other.getsockname())
    for number in range(20):
        data, _ = await loop.sock_recvfrom(other, 100)
        assert data == b"x" * number


async def test_a_datagram_too_large_is_told(loop, datagrams):
    one, other = datagrams
    with pytest.raises(OSError, match="too long"):
        await loop.sock_sendto(one, b"x" * 100_000, other.getsockname())


async def test_sendto_waits_for_room(loop, tmp_path):
    path = str(tmp_path / "socket")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(path)
        sender.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sender.sendto(b"filler", path)
        sending = loop.create_task(loop.sock_sendto(sender, b"last", path))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not sending.done()
        receiver.setblocking(False)
        while (data := await loop.sock_recv(receiver, 100)) != b"last":
            assert data == b"filler"
        assert await sending == 4


async def test_readers_come_back_after_use(loop, pair):
    left, right = pair
    task = loop.create_task(loop.sock_recv(left, 1))
    await asyncio.sleep(0)
    right.send(b"x")
    assert await task == b"x"
    # Nothing of the coroutine is left on the descriptor.
    assert loop.remove_reader(left) is False
    assert loop.remove_writer(left) is False


@pytest.mark.parametrize("name", ["sock_recv", "sock_recv_into"])
async def test_the_socket_of_a_transport_is_refused(loop, pair, name):
    left, _ = pair
    ours = left.dup()
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
    argument = 1 if name == "sock_recv" else bytearray(1)
    with pytest.raises(RuntimeError, match="is used by transport"):
        await getattr(loop, name)(ours, argument)
    transport.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
