"""What a callback or a task raises, and where it goes."""

import asyncio
import contextvars
import logging

import pytest


class Fatal(BaseException):
    """Neither an Exception nor one of the two that end a run."""


def fail(exception):
    raise exception


def one_turn(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()


@pytest.mark.parametrize("kind", [LookupError, Fatal, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("schedule", ["call_soon", "call_soon_threadsafe", "call_later"])
def test_an_exception_in_a_callback_reaches_the_handler(loop, reported, kind, schedule):
    error = kind("oops")
    before = (0,) if schedule == "call_later" else ()
    handle = getattr(loop, schedule)(*before, fail, error)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    (context,) = reported
    assert context["exception"] is error
    if schedule != "call_soon_threadsafe":
        assert context["handle"] is handle
    assert context["message"].startswith("Exception in callback")
    assert "fail" in context["message"]


def test_callbacks_after_the_one_that_raised_still_run(loop, reported):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.call_soon(fail, LookupError())
    loop.call_soon(seen.append, 2)
    one_turn(loop)
    assert seen == [1, 2]
    assert len(reported) == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
class TestEndingTheRun:
    """KeyboardInterrupt and SystemExit."""

    def test_from_a_callback_ends_the_run(self, loop, reported, kind):
        loop.call_soon(fail, kind("end"))
        with pytest.raises(kind, match="end"):
            loop.run_forever()
        assert reported == []
        assert not loop.is_running()

    def test_the_callbacks_of_the_same_turn_run_next_time(self, loop, kind):
        seen = []
        loop.call_soon(seen.append, "before")
        loop.call_soon(fail, kind())
        loop.call_soon(seen.append, "after 1")
        loop.call_soon(seen.append, "after 2")
        with pytest.raises(kind):
            loop.run_forever()
        assert seen == ["before"]
        one_turn(loop)
        assert seen == ["before", "after 1", "after 2"]

    def test_timers_survive_it(self, loop, kind):
        seen = []
        loop.call_later(0.005, seen.append, "timer")
        loop.call_later(0.006, loop.stop)
        loop.call_soon(fail, kind())
        with pytest.raises(kind):
            loop.run_forever()
        loop.run_forever()
        assert seen == ["timer"]

    def test_from_a_timer_ends_the_run(self, loop, kind):
        loop.call_later(0, fail, kind())
        with pytest.raises(kind):
            loop.run_forever()

    def test_from_a_task_ends_the_run(self, loop, kind):
        async def main():
            raise kind("in the task")

        with pytest.raises(kind, match="in the task"):
            loop.run_until_complete(main())
        assert loop.run_until_complete(asyncio.sleep(0, 5)) == 5

    def test_from_another_task_ends_the_run(self, loop, kind):
        async def other():
            raise kind("in the other")

        async def main():
            tasks.append(loop.create_task(other()))
            await asyncio.sleep(3600)

        tasks = []
        main_task = loop.create_task(main())
        with pytest.raises(kind, match="in the other"):
            loop.run_until_complete(main_task)
        assert not main_task.done()
        assert isinstance(tasks[0].exception(), kind)

    def test_from_the_exception_handler_ends_the_run(self, loop, kind):
        loop.set_exception_handler(lambda *_: fail(kind("handler")))
        loop.call_soon(fail, LookupError())
        with pytest.raises(kind, match="handler"):
            loop.run_forever()

    def test_from_a_reader_ends_the_run_and_keeps_the_reader(self, loop, kind):
        import socket

        left, right = socket.socketpair()
        with left, right:
            right.send(b"x")
            loop.add_reader(left, fail, kind())
            with pytest.raises(kind):
                loop.run_forever()
            assert loop.remove_reader(left)


class TestHandler:
    """The loop's exception handler."""

    def test_is_called_with_the_loop_and_the_context_as_it_is(self, loop):
        seen = []
        loop.set_exception_handler(lambda *args: seen.append(args))
        context = {"message": "hello", "anything": 1}
        loop.call_exception_handler(context)
        ((given_loop, given),) = seen
        assert given_loop is loop
        assert given is context

    def test_get_gives_what_was_set(self, loop):
        assert loop.get_exception_handler() is None
        handler = lambda *_: None  # noqa: E731
        loop.set_exception_handler(handler)
        assert loop.get_exception_handler() is handler
        loop.set_exception_handler(None)
        assert loop.get_exception_handler() is None

    def test_must_be_callable(self, loop):
        with pytest.raises(TypeError, match="callable object or None is expected"):
            loop.set_exception_handler("spam")

    @pytest.mark.logs_errors
    def test_may_call_the_default_one(self, loop, caplog):
        loop.set_exception_handler(lambda loop, context: loop.default_exception_handler(context))
        loop.call_soon(fail, LookupError("passed on"))
        one_turn(loop)
        assert "passed on" in caplog.text

    @pytest.mark.logs_errors
    def test_that_raises_is_logged_and_the_loop_goes_on(self, loop, caplog):
        loop.set_exception_handler(lambda *_: fail(ValueError("from the handler")))
        seen = []
        loop.call_soon(fail, LookupError("first"))
        loop.call_soon(seen.append, 1)
        one_turn(loop)
        assert seen == [1]
        assert "Unhandled error in exception handler" in caplog.text
        assert "from the handler" in caplog.text

    @pytest.mark.stock_since(3, 12)
    def test_runs_in_the_context_of_the_handle(self, loop):
        variable = contextvars.ContextVar("variable", default="outside")
        seen = []
        loop.set_exception_handler(lambda *_: seen.append(variable.get()))
        context = contextvars.copy_context()
        context.run(variable.set, "inside")
        loop.call_soon(fail, LookupError(), context=context)
        one_turn(loop)
        assert seen == ["inside"]

    def test_reports_a_future_whose_exception_nobody_took(self, loop, reported):
        future = loop.create_future()
        future.set_exception(LookupError("not taken"))
        del future
        (context,) = reported
        assert context["message"] == "Future exception was never retrieved"

    def test_reports_a_task_whose_exception_nobody_took(self, loop, reported):
        async def broken():
            raise LookupError("not taken")

        async def main():
            task = loop.create_task(broken())
            await asyncio.sleep(0)
            assert task.done()

        loop.run_until_complete(main())
        (context,) = reported
        assert context["message"] == "Task exception was never retrieved"

    def test_reports_a_pending_task_destroyed(self, new_loop, loop, reported):
        async def main():
            task = loop.create_task(forever(loop.create_future()))
            await asyncio.sleep(0)
            del task

        async def forever(future):
            await future

        loop.run_until_complete(main())
        import gc

        gc.collect()
        (context,) = reported
        assert context["message"] == "Task was destroyed but it is pending!"


@pytest.mark.logs_errors
class TestDefaultHandler:
    """What goes to the logger `asyncio`."""

    def test_logs_message_callback_and_traceback(self, loop, caplog):
        loop.call_soon(fail, LookupError("spam"))
        one_turn(loop)
        (record,) = caplog.records
        assert record.name == "asyncio"
        assert record.levelno == logging.ERROR
        assert "Exception in callback" in record.getMessage()
        assert "handle: <Handle" in record.getMessage()
        assert record.exc_info[0] is LookupError
        assert record.exc_info[2] is not None

    def test_logs_the_keys_of_the_context(self, loop, caplog):
        loop.call_exception_handler({"message": "hello", "peer": "someone"})
        (record,) = caplog.records
        assert record.getMessage().splitlines() == ["hello", "peer: 'someone'"]
        assert not record.exc_info

    def test_without_a_message_says_so(self, loop, caplog):
        loop.call_exception_handler({})
        assert caplog.records[0].getMessage() == "Unhandled exception in event loop"


def test_a_traceback_has_the_frames_of_the_callback(loop, reported):
    def deep():
        fail(LookupError())

    loop.call_soon(deep)
    one_turn(loop)
    frames = []
    traceback = reported[0]["exception"].__traceback__
    while traceback:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert frames[-2:] == ["deep", "fail"]
