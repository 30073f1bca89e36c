"""Pipes, terminals and devices: read and written by transports."""

import asyncio
import contextlib
import gc
import os
import pty
import socket
import tty
import warnings

import pytest

from .pipes import opened, reading, reading_from_pipe, take, writing, writing_to_pipe
from .protocols import Recorder


async def test_what_is_written_arrives_until_the_end(loop, until):
    async with reading_from_pipe() as (protocol, theirs):
        for part in (b"warp", b" and ", b"weft"):
            theirs.write(part)
            await until(lambda part=part: protocol.data.endswith(part))
        assert protocol.data == b"warp and weft"
        theirs.close()
        assert await protocol.lost is None
        assert protocol.calls[0] == "connection_made"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_a_named_pipe(loop, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    ours = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    theirs = os.open(path, os.O_WRONLY)
    async with reading(opened(ours, "rb")) as protocol:
        async with writing(opened(theirs, "wb")) as writer:
            writer.transport.write(b"x" * 200_000)
            writer.transport.close()
            assert await writer.lost is None
        assert await protocol.lost is None
        assert protocol.data == b"x" * 200_000


@pytest.mark.parametrize("size", [1, 4_096, 65_536, 65_537, 1_000_000])
async def test_everything_goes_through_a_pair(loop, size):
    data = os.urandom(size)
    ours, theirs = os.pipe()
    async with reading(opened(ours, "rb")) as reader, writing(opened(theirs, "wb")) as writer:
        writer.transport.write(data)
        writer.transport.write_eof()
        assert await writer.lost is None
        assert await reader.lost is None
        assert reader.data == data


async def test_pieces_of_every_kind_keep_their_order(loop):
    async with writing_to_pipe() as (protocol, theirs):
        parts = [b"%d" % number * 5_000 for number in range(100)]
        kinds = [bytes, bytearray, memoryview]
        for number, part in enumerate(parts):
            protocol.transport.write(kinds[number % 3](part))
        protocol.transport.write(b"")
        protocol.transport.writelines([b"the", bytearray(b" end")])
        assert await take(theirs, sum(map(len, parts)) + 7) == b"".join(parts) + b"the end"


async def test_what_is_queued_does_not_change_afterwards(loop):
    async with writing_to_pipe() as (protocol, theirs):
        protocol.transport.write(b"x" * 100_000)
        data = bytearray(b"old")
        protocol.transport.write(data)
        data[:] = b"new"
        assert (await take(theirs, 100_003))[-3:] == b"old"


async def test_writing_over_the_limit_pauses_and_draining_resumes(loop, until):
    async with writing_to_pipe() as (protocol, theirs):
        transport = protocol.transport
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        transport.write(b"x" * 200_000)
        assert protocol.calls == ["connection_made", "pause_writing"]
        assert transport.get_write_buffer_size() > 64 * 1024
        await take(theirs, 200_000)
        await until(lambda: "resume_writing" in protocol.calls)
        assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]
        assert transport.get_write_buffer_size() <= 16 * 1024


async def test_pausing_and_resuming(loop, until, turns):
    async with reading_from_pipe() as (protocol, theirs):
        transport = protocol.transport
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        theirs.write(b"x")
        theirs.close()
        # Only a turn that asks the system could see it.
        await asyncio.sleep(0.001)
        await turns(3)
        assert protocol.data == b""
        transport.resume_reading()
        transport.resume_reading()
        assert transport.is_reading()
        assert await protocol.lost is None
        assert protocol.data == b"x"


async def test_pausing_in_data_received(loop, until):
    class Pausing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()
            loop.call_soon(self.transport.resume_reading)

    async with reading_from_pipe(Pausing) as (protocol, theirs):
        os.set_blocking(theirs.fileno(), False)
        sent = 0
        while sent < 500_000:
            sent += theirs.write(b"x" * 50_000) or 0
            await asyncio.sleep(0)
        await until(lambda: len(protocol.data) == sent)


async def test_closing_a_writer_writes_what_is_queued(loop):
    async with writing_to_pipe() as (protocol, theirs):
        transport = protocol.transport
        transport.write(b"x" * 200_000)
        transport.close()
        assert transport.is_closing()
        transport.close()
        transport.write(b"too late")
        await take(theirs, 200_000)
        assert await protocol.lost is None
        assert theirs.read(1) == b""


async def test_aborting_a_writer_drops_what_is_queued(loop):
    async with writing_to_pipe() as (protocol, theirs):
        protocol.transport.write(b"x" * 200_000)
        protocol.transport.abort()
        assert await protocol.lost is None
        assert len(theirs.readall()) < 200_000


async def test_closing_a_reader_is_told_once(loop, turns):
    async with reading_from_pipe() as (protocol, _):
        protocol.transport.close()
        assert protocol.transport.is_closing()
        protocol.transport.close()
        assert await protocol.lost is None
        await turns(3)
        assert protocol.calls == ["connection_made", "connection_lost"]


@pytest.mark.parametrize("unsent", [False, True])
async def test_a_reader_that_leaves_is_noticed(loop, unsent):
    async with writing_to_pipe() as (protocol, theirs):
        if unsent:
            protocol.transport.write(b"x" * 200_000)
        theirs.close()
        reason = await protocol.lost
        assert type(reason) is (BrokenPipeError if unsent else type(None))


async def test_writing_to_a_reader_that_has_left_is_a_broken_pipe(loop):
    async with writing_to_pipe() as (protocol, theirs):
        theirs.close()
        protocol.transport.write(b"x")
        assert isinstance(await protocol.lost, BrokenPipeError)
        for _ in range(3):
            protocol.transport.write(b"x")


async def test_writing_much_too_late_warns(loop, caplog):
    async with writing_to_pipe() as (protocol, theirs):
        theirs.close()
        for _ in range(10):
            protocol.transport.write(b"x")
        await protocol.lost
    text = "pipe closed by peer or os.write(pipe, data) raised exception."
    assert caplog.messages
    assert set(caplog.messages) == {text}


async def test_sockets_are_pipes_too(loop, until):
    ours, theirs = socket.socketpair()
    with theirs:
        async with reading(ours) as protocol:
            theirs.send(b"x")
            await until(lambda: protocol.data)
            theirs.close()
            assert await protocol.lost is None
    ours, theirs = socket.socketpair()
    with theirs:
        async with writing(ours) as protocol:
            protocol.transport.write(b"y")
            assert theirs.recv(5) == b"y"
            theirs.close()
            assert await protocol.lost is None


async def test_a_terminal_in_both_directions(loop, until):
    master, slave = pty.openpty()
    tty.setraw(slave)
    with opened(master, "rb+") as master:
        reads, writes = opened(os.dup(slave), "rb"), opened(slave, "wb")
        async with reading(reads) as reader, writing(writes) as writer:
            master.write(b"to the reader")
            await until(lambda: reader.data == b"to the reader")
            writer.transport.write(b"from the writer")
            assert os.read(master.fileno(), 100) == b"from the writer"


@pytest.mark.nalsil_only
async def test_one_object_may_be_read_and_written(loop, until):
    """A serial line is one descriptor for both directions; asyncio's loop takes it as well."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    line = opened(slave, "rb+")
    with opened(master, "rb+") as master:
        async with reading(line) as reader, writing(line) as writer:
            for number in range(3):
                master.write(b"%d" % number)
                await until(lambda number=number: reader.data.endswith(b"%d" % number))
                writer.transport.write(b"%d" % number)
                assert os.read(master.fileno(), 100) == b"%d" % number
            reader.transport.close()
            await reader.lost


async def test_a_terminal_that_is_hung_up_ends_quietly(loop, reported):
    master, slave = pty.openpty()
    async with reading(opened(master, "rb")) as protocol:
        os.close(slave)
        assert isinstance(await protocol.lost, OSError)
    assert reported == []


async def test_the_null_device_takes_everything(loop):
    async with writing(open(os.devnull, "wb", 0)) as protocol:
        protocol.transport.write(b"x" * 1_000_000)
        assert protocol.transport.get_write_buffer_size() == 0
        protocol.transport.close()
        assert await protocol.lost is None


@pytest.mark.nalsil_only
async def test_devices_that_cannot_be_watched_are_always_ready(loop, until):
    async with reading(open(os.devnull, "rb", 0)) as protocol:
        assert await protocol.lost is None
        assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]
    async with reading(open("/dev/zero", "rb", 0)) as protocol:
        await until(lambda: len(protocol.data) > 1_000_000)
        protocol.transport.pause_reading()
        count = len(protocol.data)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(protocol.data) == count
        protocol.transport.resume_reading()
        await until(lambda: len(protocol.data) > count)
    assert not protocol.data.strip(b"\0")


async def test_a_device_that_is_full_ends_with_its_error(loop):
    async with writing(open("/dev/full", "wb", 0)) as protocol:
        protocol.transport.write(b"x")
        assert "No space left" in str(await protocol.lost)


@pytest.mark.parametrize("direction", ["read", "write"])
async def test_files_and_directories_are_refused_and_stay_open(loop, tmp_path, direction):
    connect = getattr(loop, f"connect_{direction}_pipe")
    with open(tmp_path / "file", "wb+") as file:
        with pytest.raises(ValueError, match="Pipe transport is"):
            await connect(Recorder, file)
        assert not file.closed
        file.write(b"still there")


@pytest.mark.nalsil_only
@pytest.mark.parametrize("direction", ["read", "write"])
async def test_a_pipe_that_is_closed_is_refused(loop, direction):
    ours, theirs = os.pipe()
    os.close(theirs)
    pipe = opened(ours, "rb")
    pipe.close()
    with pytest.raises(ValueError, match="closed"):
        await getattr(loop, f"connect_{direction}_pipe")(Recorder, pipe)


async def test_information(loop):
    ours, theirs = os.pipe()
    ours, theirs = opened(ours, "rb"), opened(theirs, "wb")
    async with reading(ours) as reader, writing(theirs) as writer:
        assert isinstance(reader.transport, asyncio.ReadTransport)
        assert isinstance(writer.transport, asyncio.WriteTransport)
        assert reader.transport.get_extra_info("pipe") is ours
        assert writer.transport.get_extra_info("pipe") is theirs
        assert reader.transport.get_extra_info("peername", 7) == 7
        assert reader.transport.get_protocol() is reader
        assert writer.transport.can_write_eof()
        assert f"fd={ours.fileno()}" in repr(reader.transport)
        other = Recorder()
        reader.transport.set_protocol(other)
        assert reader.transport.get_protocol() is other
        theirs.write(b"x")
        while not other.data:
            await asyncio.sleep(0)
        reader.transport.set_protocol(reader)


async def test_programs_may_store_things_in_a_transport(loop):
    """Like asyncio's own: a method that is stored there takes the place of the class's."""
    async with reading_from_pipe() as (protocol, _):
        transport = protocol.transport
        transport.mine = transport
        assert transport.mine is transport
        paused = []
        transport.pause_reading = lambda: paused.append(True)
        transport.pause_reading()
        assert paused == [True]
        assert transport.is_reading()
        del transport.pause_reading, transport.mine
        assert not hasattr(transport, "mine")


async def test_what_a_protocol_raises_is_reported_and_the_pipe_goes_on(loop, until, reported):
    class Failing(Recorder):
        def data_received(self, data):
            super().data_received(data)
            raise ValueError(data)

    async with reading_from_pipe(Failing) as (protocol, theirs):
        theirs.write(b"1")
        await until(lambda: protocol.data == b"1")
        theirs.write(b"2")
        await until(lambda: protocol.data == b"12")
    assert [context["exception"].args for context in reported] == [(b"1",), (b"2",)]


@pytest.mark.nalsil_only
async def test_a_pipe_that_its_owner_closes_is_not_used_any_more(loop, until, reported):
    """Its number may be somebody else's by now."""
    async with writing_to_pipe() as (protocol, _):
        number = protocol.transport.get_extra_info("pipe").fileno()
        protocol.transport.get_extra_info("pipe").close()
        ours, other = socket.socketpair()
        with ours, other:
            assert number in (ours.fileno(), other.fileno())
            protocol.transport.write(b"not yours")
            assert isinstance(await protocol.lost, OSError)
            other.setblocking(False)
            ours.setblocking(False)
            for sock in (ours, other):
                with pytest.raises(BlockingIOError):
                    sock.recv(10)


def test_one_that_nobody_closes_warns_and_closes(new_loop):
    loop = new_loop()
    ends = os.pipe()

    async def make():
        await loop.connect_read_pipe(Recorder, opened(ends[0], "rb"))
        await loop.connect_write_pipe(Recorder, opened(ends[1], "wb"))

    loop.run_until_complete(make())
    loop.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    texts = [str(one.message) for one in caught]
    assert len([text for text in texts if text.startswith("unclosed transport")]) == 2
    for fd in ends:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_what_ends_the_run_ends_it(new_loop):
    loop = new_loop()

    class Interrupting(Recorder):
        def data_received(self, data):
            raise KeyboardInterrupt

    async def make():
        return await loop.connect_read_pipe(Interrupting, opened(ours, "rb"))

    ours, theirs = os.pipe()
    transport, protocol = loop.run_until_complete(make())
    with opened(theirs, "wb") as theirs:
        theirs.write(b"x")
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    transport.close()
    loop.run_until_complete(protocol.lost)


@pytest.mark.parametrize("direction", ["read", "write"])
async def test_connecting_cancelled_at_every_turn(loop, direction):
    """Whoever has the pipe when the cancellation comes, it is closed once."""
    made = []

    def factory():
        made.append(Recorder())
        return made[-1]

    for turns in range(6):
        ours, theirs = os.pipe() if direction == "read" else os.pipe()[::-1]
        pipe = opened(ours, "rb" if direction == "read" else "wb")
        connect = getattr(loop, f"connect_{direction}_pipe")
        made.clear()
        task = loop.create_task(connect(factory, pipe))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            transport, _ = await task
            transport.close()
        if made:
            await made[0].lost
            await asyncio.sleep(0)
            assert pipe.closed
        else:
            pipe.close()
        os.close(theirs)


async def test_subprocesses_talk_through_pipes(loop):
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    data = os.urandom(1_000_000)
    out, _ = await process.communicate(data)
    assert out == data
    assert await process.wait() == 0
