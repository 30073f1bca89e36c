"""Happy eyeballs: addresses tried side by side, the first to answer wins."""

import asyncio
import socket
import time

import pytest

from .protocols import Recorder, black_hole, refused_port

NAME = "somewhere.test"


def racing_loop(new_loop, addresses):
    """A loop that finds these addresses for `NAME`."""

    class Resolving(type(new_loop())):
        async def getaddrinfo(self, host, port, **options):
            if host != NAME:
                return await super().getaddrinfo(host, port, **options)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
                for address in addresses
            ]

    return Resolving()


@pytest.fixture
def hole():
    with black_hole() as address:
        yield address


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def connect(loop, **options):
    async def main():
        transport, protocol = await loop.create_connection(Recorder, NAME, 1, **options)
        peer = transport.get_extra_info("peername")
        transport.close()
        await protocol.lost
        await asyncio.sleep(0)
        return peer

    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


def test_an_address_that_does_not_answer_is_overtaken(new_loop, hole, listener):
    loop = racing_loop(new_loop, [hole, listener.getsockname()])
    assert connect(loop, happy_eyeballs_delay=0.01) == listener.getsockname()


def test_several_that_do_not_answer_are_overtaken(new_loop, hole, listener):
    loop = racing_loop(new_loop, [hole] * 5 + [listener.getsockname()])
    assert connect(loop, happy_eyeballs_delay=0.01) == listener.getsockname()


def test_the_first_wins_when_it_answers_in_time(new_loop, hole, listener):
    loop = racing_loop(new_loop, [listener.getsockname(), hole])
    assert connect(loop, happy_eyeballs_delay=10) == listener.getsockname()


def test_the_next_starts_at_once_when_one_fails(new_loop, listener):
    loop = racing_loop(new_loop, [("127.0.0.1", refused_port()), listener.getsockname()])
    start = time.monotonic()
    assert connect(loop, happy_eyeballs_delay=3600) == listener.getsockname()
    assert time.monotonic() - start < 60


def test_only_one_connection_remains(new_loop, listener):
    loop = racing_loop(new_loop, [listener.getsockname()] * 4)
    assert connect(loop, happy_eyeballs_delay=0) == listener.getsockname()
    accepted = 0
    listener.setblocking(False)
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            break
        accepted += 1
        with sock:
            # Winner and losers alike are closed by now.
            sock.setblocking(True)
            try:
                assert sock.recv(1) == b""
            except ConnectionResetError:
                continue
    assert accepted >= 1


def test_all_failing_raises(new_loop):
    loop = racing_loop(new_loop, [("127.0.0.1", refused_port()) for _ in range(3)])
    with pytest.raises(OSError, match="Multiple exceptions"):
        connect(loop, happy_eyeballs_delay=0.01)


@pytest.mark.stock_since(3, 12)
def test_all_failing_gives_all_errors(new_loop):
    loop = racing_loop(new_loop, [("127.0.0.1", refused_port()) for _ in range(3)])
    with pytest.raises(ExceptionGroup) as caught:
        connect(loop, happy_eyeballs_delay=0.01, all_errors=True)
    assert len(caught.value.exceptions) == 3


def test_cancelling_the_race_closes_every_socket(new_loop, hole):
    loop = racing_loop(new_loop, [hole] * 3)

    async def main():
        task = loop.create_task(
            loop.create_connection(Recorder, NAME, 1, happy_eyeballs_delay=0.001)
        )
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    # The fixture that counts descriptors does the rest.
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
