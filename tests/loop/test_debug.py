"""Debug mode: what it checks, logs and remembers."""

import asyncio
import logging
import os
import socket
import sys
import threading
import time

import pytest


@pytest.fixture
def debugged(loop):
    loop.set_debug(True)
    return loop


def busy(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_is_off_unless_asked_for(new_loop, monkeypatch):
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)
    loop = new_loop()
    assert loop.get_debug() is sys.flags.dev_mode
    loop.set_debug(True)
    assert loop.get_debug() is True
    loop.set_debug(False)
    assert loop.get_debug() is False


def test_the_environment_turns_it_on(program, monkeypatch):
    monkeypatch.delenv("PYTHONASYNCIODEBUG", raising=False)
    source = "loop = new_event_loop(); print(loop.get_debug()); loop.close()"
    assert program(source, PYTHONASYNCIODEBUG="1").stdout == "True\n"
    assert program(source, "-X", "dev").stdout == "True\n"
    assert program(source, "-E", PYTHONASYNCIODEBUG="1").stdout == "False\n"
    assert program(source).stdout == "False\n"


def test_a_slow_callback_is_logged(debugged, caplog):
    debugged.slow_callback_duration = 0.01
    debugged.call_soon(busy, 0.02)
    debugged.call_soon(debugged.stop)
    with caplog.at_level(logging.WARNING, "asyncio"):
        debugged.run_forever()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    text = record.getMessage()
    assert text.startswith("Executing <Handle")
    assert "busy" in text
    assert " took 0.0" in text
    assert text.endswith(" seconds")


def test_a_slow_task_step_is_logged_with_the_task(debugged, caplog):
    debugged.slow_callback_duration = 0.01

    async def slow():
        busy(0.02)

    async def main():
        await debugged.create_task(slow(), name="the slow one")

    with caplog.at_level(logging.WARNING, "asyncio"):
        debugged.run_until_complete(main())
    assert any("the slow one" in record.getMessage() for record in caplog.records)
    assert any(record.getMessage().startswith("Executing <Task") for record in caplog.records)


def test_a_quick_callback_is_not_logged(debugged, caplog):
    debugged.slow_callback_duration = 10
    debugged.call_soon(busy, 0.01)
    debugged.call_soon(debugged.stop)
    debugged.run_forever()
    assert [record for record in caplog.records if "took" in record.getMessage()] == []


def test_without_debug_a_slow_callback_is_not_logged(loop, caplog):
    loop.set_debug(False)
    loop.slow_callback_duration = 0.001
    loop.call_soon(busy, 0.005)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert caplog.records == []


def test_slow_callback_duration_is_a_tenth_of_a_second(loop):
    assert loop.slow_callback_duration == 0.1


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at"])
def test_calls_from_another_thread_are_refused(debugged, method):
    caught = []

    def other_thread():
        before = () if method == "call_soon" else (0,)
        try:
            getattr(debugged, method)(*before, print)
        except RuntimeError as error:
            caught.append(str(error))

    async def main():
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()

    debugged.run_until_complete(main())
    (text,) = caught
    assert text.startswith("Non-thread-safe operation invoked on an event loop")


def test_call_soon_threadsafe_from_another_thread_is_fine(debugged):
    async def main():
        event = asyncio.Event()
        thread = threading.Thread(target=debugged.call_soon_threadsafe, args=(event.set,))
        thread.start()
        await event.wait()
        thread.join()

    debugged.run_until_complete(main())


async def coroutine_function():
    return None


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at", "call_soon_threadsafe"])
def test_a_coroutine_function_is_no_callback(debugged, method):
    before = (0,) if method in ("call_later", "call_at") else ()
    with pytest.raises(TypeError, match="coroutines cannot be used with"):
        getattr(debugged, method)(*before, coroutine_function)


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at", "call_soon_threadsafe"])
def test_a_coroutine_is_no_callback(debugged, method):
    before = (0,) if method in ("call_later", "call_at") else ()
    coroutine = coroutine_function()
    with pytest.raises(TypeError, match="coroutines cannot be used with"):
        getattr(debugged, method)(*before, coroutine)
    coroutine.close()


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at", "call_soon_threadsafe"])
@pytest.mark.parametrize("bad", [None, 1, "text", object()])
def test_what_cannot_be_called_is_no_callback(debugged, method, bad):
    before = (0,) if method in ("call_later", "call_at") else ()
    with pytest.raises(TypeError, match="a callable object was expected"):
        getattr(debugged, method)(*before, bad)


def test_run_in_executor_refuses_a_coroutine_function(debugged):
    with pytest.raises(TypeError, match="coroutines cannot be used with"):
        debugged.run_in_executor(None, coroutine_function)


def test_a_reported_exception_tells_where_the_callback_was_scheduled(debugged, caplog):
    reported = []
    debugged.set_exception_handler(lambda _loop, context: reported.append(context))

    def fail():
        raise LookupError

    debugged.call_soon(fail)
    debugged.call_soon(debugged.stop)
    debugged.run_forever()
    (context,) = reported
    assert context["source_traceback"][-1].filename == __file__
    assert (
        context["source_traceback"][-1].name
        == "test_a_reported_exception_tells_where_the_callback_was_scheduled"
    )


def test_coroutine_origins_are_tracked_while_it_runs(loop):
    loop.set_debug(False)
    depth_before = sys.get_coroutine_origin_tracking_depth()

    async def main():
        assert sys.get_coroutine_origin_tracking_depth() == depth_before
        loop.set_debug(True)
        await asyncio.sleep(0)
        assert sys.get_coroutine_origin_tracking_depth() > 0
        loop.set_debug(False)
        await asyncio.sleep(0)
        assert sys.get_coroutine_origin_tracking_depth() == depth_before

    loop.run_until_complete(main())
    loop.set_debug(True)
    loop.run_until_complete(asyncio.sleep(0))
    assert sys.get_coroutine_origin_tracking_depth() == depth_before


def test_the_whole_machinery_works_in_debug_mode(debugged):
    async def main():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001, n)) for n in range(10)]
        assert sum(task.result() for task in tasks) == 45
        assert await debugged.run_in_executor(None, lambda: 3) == 3

    debugged.run_until_complete(main())


async def _connect_and_leave(loop):
    gone = loop.create_future()

    class Served(asyncio.Protocol):
        def connection_lost(self, exc):
            gone.set_result(None)

    server = await loop.create_server(Served, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
    transport.pause_reading()
    transport.resume_reading()
    transport.close()
    await gone
    server.close()


async def _take_over(loop):
    one, two = socket.socketpair()
    with two:
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, one)
        transport.abort()
        await asyncio.sleep(0)


async def _talk_through_pipes(loop):
    reading, writing = os.pipe()
    with open(reading, "rb", 0) as source, open(writing, "wb", 0) as sink:
        writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sink)
        reader, _ = await loop.connect_read_pipe(asyncio.Protocol, source)
        writer.abort()
        reader.close()
        await asyncio.sleep(0)


async def _send_datagrams(loop):
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    transport.abort()
    await asyncio.sleep(0)


async def _resolve(loop):
    await loop.getaddrinfo("localhost", 80)


async def _run_a_child(loop):
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await child.wait()


@pytest.mark.parametrize(
    ("what", "lines"),
    [
        (
            _connect_and_leave,
            [
                "is serving",
                "got a new connection",
                "connected to",
                "pauses reading",
                "resumes reading",
                "received EOF",
            ],
        ),
        (_take_over, [" handled: ("]),
        (_talk_through_pipes, ["Read pipe ", "Write pipe "]),
        (_send_datagrams, ["Datagram endpoint "]),
        (_resolve, ["Getting address info localhost:80"]),
        (_run_a_child, ["process "]),
    ],
)
def test_what_happens_is_logged(debugged, caplog, what, lines):
    with caplog.at_level(logging.DEBUG, "asyncio"):
        debugged.run_until_complete(what(debugged))
    told = "\n".join(record.getMessage() for record in caplog.records)
    for line in lines:
        assert line in told
    debugged.set_debug(False)
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "asyncio"):
        debugged.run_until_complete(what(debugged))
    assert caplog.records == []
