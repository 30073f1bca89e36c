"""add_reader and add_writer: descriptors that the program reads and writes itself."""

import asyncio
import os
import socket

import pytest


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    with left, right:
        yield left, right


def turn(loop):
    """The way programs let a loop make one turn."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def moment(loop):
    """Time enough for several turns that find the descriptors ready."""
    loop.call_later(0.002, loop.stop)
    loop.run_forever()


@pytest.mark.parametrize(
    "kind", [socket.socket.fileno, lambda sock: sock], ids=["number", "object"]
)
def test_a_reader_is_called_while_there_is_something_to_read(loop, pair, kind):
    left, right = pair
    seen = []
    loop.add_reader(kind(left), seen.append, "argument")
    moment(loop)
    assert seen == []
    right.send(b"x")
    moment(loop)
    # Level-triggered: what is not read is told again.
    assert len(seen) > 1
    assert set(seen) == {"argument"}
    left.recv(10)
    seen.clear()
    moment(loop)
    assert seen == []
    assert loop.remove_reader(left)


def test_each_turn_looks_at_the_descriptors(loop, pair):
    left, right = pair
    seen = []
    loop.add_reader(left, seen.append, "readable")
    right.send(b"x")
    for count in range(1, 10):
        turn(loop)
        assert len(seen) == count
    loop.remove_reader(left)


def test_what_is_left_after_a_partial_read_is_told_again(loop, pair):
    left, right = pair
    received = []

    def read_one():
        received.append(left.recv(1))
        if len(received) == 5:
            loop.stop()

    right.send(b"12345")
    loop.add_reader(left, read_one)
    loop.run_forever()
    assert b"".join(received) == b"12345"
    loop.remove_reader(left)


def test_data_that_was_there_before_is_told(loop, pair):
    left, right = pair
    right.send(b"x")
    loop.add_reader(left, loop.stop)
    loop.run_forever()
    loop.remove_reader(left)


def test_a_writer_is_called_while_there_is_room(loop, pair):
    left, right = pair
    seen = []
    loop.add_writer(left, seen.append, "room")
    moment(loop)
    assert len(seen) > 1
    try:
        while True:
            left.send(b"x" * 10_000)
    except BlockingIOError:
        pass
    seen.clear()
    moment(loop)
    assert seen == []
    try:
        while right.recv(1 << 20):
            pass
    except BlockingIOError:
        pass
    moment(loop)
    assert len(seen) > 1
    assert loop.remove_writer(left)


def test_a_reader_and_a_writer_share_a_descriptor(loop, pair):
    left, right = pair
    seen = []
    loop.add_reader(left, seen.append, "read")
    loop.add_writer(left, seen.append, "write")
    right.send(b"x")
    moment(loop)
    assert set(seen) == {"read", "write"}
    assert loop.remove_writer(left)
    seen.clear()
    moment(loop)
    assert set(seen) == {"read"}
    assert loop.remove_reader(left)
    seen.clear()
    moment(loop)
    assert seen == []


def test_a_new_reader_replaces_the_old_one(loop, pair):
    left, right = pair
    seen = []
    right.send(b"x")
    loop.add_reader(left, seen.append, "old")
    loop.add_reader(left, seen.append, "new")
    moment(loop)
    assert set(seen) == {"new"}
    loop.remove_reader(left)


def test_remove_tells_whether_there_was_one(loop, pair):
    left, _ = pair
    assert loop.remove_reader(left) is False
    assert loop.remove_writer(left) is False
    loop.add_reader(left, print)
    loop.add_writer(left, print)
    assert loop.remove_reader(left) is True
    assert loop.remove_reader(left) is False
    assert loop.remove_writer(left) is True
    assert loop.remove_writer(left) is False


def test_a_reader_may_remove_itself(loop, pair):
    left, right = pair
    seen = []

    def once():
        seen.append(True)
        loop.remove_reader(left)

    right.send(b"x")
    loop.add_reader(left, once)
    moment(loop)
    assert seen == [True]


def test_a_reader_removed_by_another_of_the_same_turn_is_not_called(loop):
    pairs = [socket.socketpair() for _ in range(2)]
    seen = []

    def first_one_only(own, other):
        seen.append(own)
        loop.remove_reader(other)

    (a, a_peer), (b, b_peer) = pairs
    a_peer.send(b"x")
    b_peer.send(b"x")
    loop.add_reader(a, first_one_only, a, b)
    loop.add_reader(b, first_one_only, b, a)
    moment(loop)
    assert len(set(seen)) == 1
    loop.remove_reader(a)
    loop.remove_reader(b)
    for sock in (a, a_peer, b, b_peer):
        sock.close()


def test_a_closed_peer_is_told_as_readable(loop, pair):
    left, right = pair
    right.close()
    loop.add_reader(left, loop.stop)
    loop.run_forever()
    assert left.recv(1) == b""
    loop.remove_reader(left)


def test_a_pipe_whose_reader_left_is_told_as_writable(loop):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.close(reading)
    loop.add_writer(writing, loop.stop)
    loop.run_forever()
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    loop.remove_writer(writing)
    os.close(writing)


def test_a_pipe_whose_writer_left_is_told_as_readable(loop):
    reading, writing = os.pipe()
    os.close(writing)
    loop.add_reader(reading, loop.stop)
    loop.run_forever()
    assert os.read(reading, 1) == b""
    loop.remove_reader(reading)
    os.close(reading)


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_a_regular_file_is_refused(loop, tmp_path, method):
    with open(tmp_path / "file", "w") as file, pytest.raises(PermissionError):
        getattr(loop, method)(file, print)


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_a_closed_descriptor_is_refused(loop, method):
    left, right = socket.socketpair()
    number = left.fileno()
    left.close()
    right.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        getattr(loop, method)(number, print)
    with pytest.raises(ValueError, match="-1"):
        getattr(loop, method)(left, print)


def test_removing_after_the_close_is_allowed(loop):
    left, right = socket.socketpair()
    number = left.fileno()
    loop.add_reader(left, print)
    left.close()
    right.close()
    assert loop.remove_reader(number) is True
    moment(loop)


def test_a_number_used_again_gets_what_is_its_own(loop):
    for round_number in range(20):
        seen = []
        left, right = socket.socketpair()
        with left, right:
            loop.add_reader(left, seen.append, round_number)
            right.send(b"x")
            moment(loop)
            loop.remove_reader(left)
        assert set(seen) == {round_number}


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
async def test_the_descriptor_of_a_transport_is_refused(loop, pair, method):
    left, _ = pair
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=left.dup())
    number = transport.get_extra_info("socket").fileno()
    arguments = (print,) if method.startswith("add") else ()
    with pytest.raises(RuntimeError, match=f"File descriptor {number} is used by transport"):
        getattr(loop, method)(number, *arguments)
    transport.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_reader_that_raises_is_reported_and_called_again(loop, pair, reported):
    left, right = pair

    def fail():
        raise LookupError

    right.send(b"x")
    loop.add_reader(left, fail)
    moment(loop)
    assert len(reported) > 1
    assert {type(context["exception"]) for context in reported} == {LookupError}
    loop.remove_reader(left)


def test_many_descriptors_at_once(loop):
    pairs = [socket.socketpair() for _ in range(500)]
    seen = set()

    def note(number):
        pairs[number][0].recv(1)
        seen.add(number)
        if len(seen) == len(pairs):
            loop.stop()

    for number, (left, right) in enumerate(pairs):
        loop.add_reader(left, note, number)
        right.send(b"x")
    loop.run_forever()
    for left, right in pairs:
        loop.remove_reader(left)
        left.close()
        right.close()


def test_a_descriptor_added_from_a_callback_is_watched(loop, pair):
    left, right = pair
    right.send(b"x")
    loop.call_soon(lambda: loop.add_reader(left, loop.stop))
    loop.run_forever()
    loop.remove_reader(left)
