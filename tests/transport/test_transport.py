"""A stream transport: its interface, its data, its end."""

import asyncio
import gc
import socket
import warnings

import pytest

from .protocols import (
    Echo,
    Recorder,
    connected,
    read_exactly,
    read_to_end,
    tcp_pair,
)

FAMILIES = [socket.AF_INET, socket.AF_UNIX]


@pytest.mark.parametrize("family", FAMILIES)
async def test_is_an_asyncio_transport(family):
    async with connected(family=family) as (protocol, _):
        transport = protocol.transport
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(transport, asyncio.ReadTransport)
        assert isinstance(transport, asyncio.WriteTransport)
        assert transport.get_protocol() is protocol
        assert transport.is_reading()
        assert not transport.is_closing()
        assert transport.can_write_eof()
        assert protocol.calls == ["connection_made"]


async def test_extra_info_of_tcp():
    async with connected(family=socket.AF_INET) as (protocol, peer):
        transport = protocol.transport
        assert transport.get_extra_info("sockname") == peer.getpeername()
        assert transport.get_extra_info("peername") == peer.getsockname()
        sock = transport.get_extra_info("socket")
        assert sock.family == socket.AF_INET
        assert sock.type == socket.SOCK_STREAM
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.gettimeout() == 0
        assert sock.fileno() >= 0
        assert not hasattr(sock, "recv")
        assert transport.get_extra_info("nothing") is None
        assert transport.get_extra_info("nothing", "default") == "default"


async def test_extra_info_of_unix():
    async with connected() as (protocol, _):
        assert protocol.transport.get_extra_info("socket").family == socket.AF_UNIX
        assert protocol.transport.get_extra_info("sockname") == ""
        assert protocol.transport.get_extra_info("peername") == ""


async def test_extra_info_stays_after_the_end():
    async with connected(family=socket.AF_INET) as (protocol, peer):
        name = peer.getsockname()
        protocol.transport.close()
        await protocol.lost
        assert protocol.transport.get_extra_info("peername") == name


async def test_repr_tells_the_state():
    async with connected() as (protocol, _):
        assert "fd=" in repr(protocol.transport)
        protocol.transport.close()
        assert "clos" in repr(protocol.transport)
        await protocol.lost


class TestWriting:
    """write, writelines, write_eof."""

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    async def test_takes_every_kind_of_bytes(self, kind):
        async with connected() as (protocol, peer):
            protocol.transport.write(kind(b"spam"))
            assert await read_exactly(peer, 4) == b"spam"

    async def test_takes_a_part_of_a_view(self):
        async with connected() as (protocol, peer):
            protocol.transport.write(memoryview(b"01234567")[2:6])
            assert await read_exactly(peer, 4) == b"2345"

    @pytest.mark.parametrize("bad", ["text", None, 1, [b"x"], object()])
    async def test_refuses_what_is_no_bytes(self, bad):
        async with connected() as (protocol, _):
            with pytest.raises(TypeError, match="data argument must be a bytes-like object"):
                protocol.transport.write(bad)
            assert not protocol.transport.is_closing()

    async def test_nothing_is_nothing(self):
        async with connected() as (protocol, peer):
            protocol.transport.write(b"")
            protocol.transport.writelines([])
            protocol.transport.write(b"x")
            assert await read_exactly(peer, 1) == b"x"

    async def test_keeps_the_order(self):
        async with connected() as (protocol, peer):
            for number in range(1000):
                protocol.transport.write(b"%03d" % number)
            assert await read_exactly(peer, 3000) == b"".join(b"%03d" % n for n in range(1000))

    async def test_keeps_the_order_of_large_and_small(self):
        parts = [bytes([n]) * (1 if n % 2 else 300_000) for n in range(40)]
        async with connected(family=socket.AF_INET) as (protocol, peer):
            for part in parts:
                protocol.transport.write(part)
            whole = b"".join(parts)
            assert await read_exactly(peer, len(whole)) == whole

    async def test_writelines_sends_all(self):
        parts = [b"a", bytearray(b"bc"), memoryview(b"def"), b"", b"g" * 100_000]
        async with connected() as (protocol, peer):
            protocol.transport.writelines(parts)
            whole = b"".join(parts)
            assert await read_exactly(peer, len(whole)) == whole

    async def test_writelines_of_thousands(self):
        parts = [b"%05d" % number for number in range(20_000)]
        async with connected() as (protocol, peer):
            protocol.transport.writelines(parts)
            assert await read_exactly(peer, 100_000) == b"".join(parts)

    async def test_writelines_takes_an_iterator(self):
        async with connected() as (protocol, peer):
            protocol.transport.writelines(iter([b"ab", b"cd"]))
            assert await read_exactly(peer, 4) == b"abcd"

    async def test_writelines_goes_after_what_waits(self):
        async with connected() as (protocol, peer):
            protocol.transport.write(b"1" * 1_000_000)
            protocol.transport.writelines([b"2" * 10, b"3" * 10])
            protocol.transport.write(b"4")
            got = await read_exactly(peer, 1_000_021)
            assert got == b"1" * 1_000_000 + b"2" * 10 + b"3" * 10 + b"4"

    @pytest.mark.nalsil_only  # the stock loop keeps a view of the bytearray
    async def test_a_bytearray_may_change_after_the_write(self):
        async with connected() as (protocol, peer):
            data = bytearray(b"x" * 2_000_000)
            protocol.transport.write(data)
            data[:] = b"y" * len(data)
            data.clear()
            assert await read_exactly(peer, 2_000_000) == b"x" * 2_000_000

    async def test_write_eof_sends_what_waits_and_then_the_end(self):
        async with connected(lambda: Recorder(keep_open=True)) as (protocol, peer):
            protocol.transport.write(b"x" * 1_000_000)
            protocol.transport.write_eof()
            protocol.transport.write_eof()
            assert await read_to_end(peer) == b"x" * 1_000_000
            peer.send(b"still open")
            while not protocol.data:
                await asyncio.sleep(0.001)
            assert protocol.data == b"still open"

    async def test_after_write_eof_write_is_refused(self):
        async with connected() as (protocol, _):
            protocol.transport.write_eof()
            with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
                protocol.transport.write(b"x")
            with pytest.raises(RuntimeError, match="after write_eof"):
                protocol.transport.writelines([b"x"])

    async def test_after_close_write_is_dropped(self):
        async with connected() as (protocol, peer):
            protocol.transport.write(b"before")
            protocol.transport.close()
            protocol.transport.write(b"after")
            await protocol.lost
            protocol.transport.write(b"long after")
            assert await read_to_end(peer) == b"before"

    async def test_many_writes_into_a_lost_connection_warn(self, caplog):
        async with connected() as (protocol, _):
            protocol.transport.abort()
            await protocol.lost
            for _ in range(10):
                protocol.transport.write(b"x")
        assert any("socket.send() raised exception" in r.getMessage() for r in caplog.records)


class TestReading:
    """What arrives, and pausing it."""

    async def test_data_arrives_as_bytes_in_order(self, until):
        async with connected() as (protocol, peer):
            loop = asyncio.get_running_loop()
            data = bytes(range(256)) * 4000
            await loop.sock_sendall(peer, data)
            await until(lambda: len(protocol.data) == len(data))
            assert protocol.data == data

    async def test_pausing_keeps_data_back(self, until, turns):
        async with connected() as (protocol, peer):
            protocol.transport.pause_reading()
            assert not protocol.transport.is_reading()
            peer.send(b"held back")
            await turns(10)
            assert protocol.data == b""
            protocol.transport.resume_reading()
            assert protocol.transport.is_reading()
            await until(lambda: protocol.data == b"held back")

    async def test_pausing_and_resuming_may_be_repeated(self, until):
        async with connected() as (protocol, peer):
            for _ in range(3):
                protocol.transport.pause_reading()
            for _ in range(3):
                protocol.transport.resume_reading()
            peer.send(b"x")
            await until(lambda: protocol.data)

    async def test_pausing_inside_data_received_holds_the_next_part(self, until, turns):
        class OneAtATime(Recorder):
            def data_received(self, data):
                super().data_received(data)
                self.transport.pause_reading()

        async with connected(OneAtATime) as (protocol, peer):
            peer.send(b"first")
            await until(lambda: protocol.data)
            peer.send(b"second")
            await turns(10)
            assert protocol.data == b"first"
            protocol.transport.resume_reading()
            await until(lambda: protocol.data == b"firstsecond")

    async def test_pausing_in_connection_made_holds_everything(self, turns):
        class Paused(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.pause_reading()

        ours, peer = socket.socketpair()
        with peer:
            peer.send(b"early")
            loop = asyncio.get_running_loop()
            transport, protocol = await loop.create_unix_connection(Paused, sock=ours)
            await turns(10)
            assert protocol.calls == ["connection_made"]
            transport.resume_reading()
            while not protocol.data:
                await asyncio.sleep(0)
            transport.close()
            await protocol.lost

    async def test_after_close_nothing_more_arrives(self, turns):
        async with connected() as (protocol, peer):
            peer.send(b"x")
            protocol.transport.close()
            assert not protocol.transport.is_reading()
            protocol.transport.resume_reading()
            await protocol.lost
            assert protocol.calls == ["connection_made", "connection_lost"]


class TestTheEnd:
    """close, abort, and the peer's end."""

    async def test_close_sends_what_waits_first(self):
        async with connected() as (protocol, peer):
            protocol.transport.write(b"x" * 1_000_000)
            protocol.transport.close()
            assert protocol.transport.is_closing()
            assert await read_to_end(peer) == b"x" * 1_000_000
            assert await protocol.lost is None

    async def test_close_may_be_called_again(self):
        async with connected() as (protocol, _):
            protocol.transport.close()
            protocol.transport.close()
            assert await protocol.lost is None
            protocol.transport.close()
            protocol.transport.abort()
            assert protocol.calls == ["connection_made", "connection_lost"]

    async def test_connection_lost_comes_in_a_later_turn(self):
        async with connected() as (protocol, _):
            protocol.transport.close()
            assert "connection_lost" not in protocol.calls
            protocol.transport.abort()
            assert "connection_lost" not in protocol.calls
            assert await protocol.lost is None

    async def test_abort_drops_what_waits(self):
        async with connected() as (protocol, peer):
            protocol.transport.write(b"x" * 5_000_000)
            protocol.transport.abort()
            assert protocol.transport.is_closing()
            assert protocol.transport.get_write_buffer_size() == 0
            assert await protocol.lost is None
            assert len(await read_to_end(peer)) < 5_000_000

    async def test_the_peers_end_closes_the_transport(self):
        async with connected() as (protocol, peer):
            peer.close()
            assert await protocol.lost is None
            assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]

    async def test_eof_received_may_keep_it_open_for_writing(self, until):
        async with connected(lambda: Recorder(keep_open=True)) as (protocol, peer):
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: "eof_received" in protocol.calls)
            assert not protocol.transport.is_closing()
            protocol.transport.write(b"x" * 1_000_000)
            assert await read_exactly(peer, 1_000_000) == b"x" * 1_000_000
            assert protocol.calls.count("eof_received") == 1

    async def test_a_reset_reaches_connection_lost(self):
        async with connected(family=socket.AF_INET) as (protocol, peer):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
            assert isinstance(await protocol.lost, ConnectionResetError)
            assert protocol.calls == ["connection_made", "connection_lost"]

    async def test_writing_to_a_closed_peer_reaches_connection_lost(self):
        async with connected() as (protocol, peer):
            protocol.transport.pause_reading()
            peer.close()
            protocol.transport.write(b"x")
            assert isinstance(await protocol.lost, BrokenPipeError)

    async def test_the_socket_is_closed_after_connection_lost(self, turns):
        async with connected() as (protocol, _):
            sock = protocol.transport.get_extra_info("socket")
            protocol.transport.close()
            await protocol.lost
            await turns(2)
            assert sock.fileno() == -1

    def test_a_dropped_transport_warns_and_closes(self, new_loop):
        loop = new_loop()
        ours, peer = socket.socketpair()
        with peer:
            transport, _ = loop.run_until_complete(
                loop.create_unix_connection(asyncio.Protocol, sock=ours)
            )
            assert not transport.is_closing()
            loop.close()
            del ours
            transports = [transport]
            del transport
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                transports.clear()
                gc.collect()
            assert any("unclosed transport" in str(warning.message) for warning in caught)
            assert peer.recv(1) == b""


async def test_two_transports_talk(loop):
    left, right = tcp_pair()
    _, echo = await loop.create_connection(Echo, sock=left)
    _, protocol = await loop.create_connection(Recorder, sock=right)
    data = bytes(range(256)) * 10_000
    protocol.transport.write(data)
    while len(protocol.data) < len(data):
        await asyncio.sleep(0.001)
    assert protocol.data == data
    protocol.transport.close()
    await protocol.lost
    assert await echo.lost is None
