"""Work handed to threads and processes."""

import asyncio
import concurrent.futures
import contextvars
import math
import multiprocessing.resource_tracker
import threading

import pytest


def test_the_default_executor_runs_in_another_thread(run, loop):
    async def main():
        return await loop.run_in_executor(None, threading.get_ident)

    assert run(main()) != threading.get_ident()


def test_arguments_and_result_pass_through(run, loop):
    async def main():
        return await loop.run_in_executor(None, lambda *args: args, 1, "two", None)

    assert run(main()) == (1, "two", None)


def test_an_exception_passes_through(run, loop):
    async def main():
        with pytest.raises(ValueError, match="invalid literal"):
            await loop.run_in_executor(None, int, "spam")

    run(main())


def test_many_at_once_all_come_back(run, loop):
    async def main():
        futures = [loop.run_in_executor(None, abs, -n) for n in range(2000)]
        return await asyncio.gather(*futures)

    assert run(main()) == list(range(2000))


def test_the_result_is_a_future_of_the_loop(run, loop):
    async def main():
        future = loop.run_in_executor(None, int)
        assert asyncio.isfuture(future)
        assert future.get_loop() is loop
        assert await future == 0

    run(main())


def test_to_thread_carries_the_context(run):
    variable = contextvars.ContextVar("variable")

    async def main():
        variable.set("carried")
        return await asyncio.to_thread(variable.get)

    assert run(main()) == "carried"


def test_any_executor_may_be_given(run, loop):
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine") as executor:

        async def main():
            return await loop.run_in_executor(executor, lambda: threading.current_thread().name)

        assert run(main()).startswith("mine")


@pytest.fixture(scope="module")
def resource_tracker():
    """Python's process that tracks shared resources: started once, it stays."""
    multiprocessing.resource_tracker.ensure_running()


@pytest.mark.usefixtures("resource_tracker")
def test_processes_may_be_given(run, loop):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:

        async def main():
            assert await loop.run_in_executor(executor, math.factorial, 20) == math.factorial(20)
            with pytest.raises(ValueError, match="not defined for negative"):
                await loop.run_in_executor(executor, math.factorial, -1)

        run(main())


def test_an_executor_written_by_hand_may_be_given(run, loop):
    class Inline(concurrent.futures.Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = concurrent.futures.Future()
            future.set_result(("inline", fn(*args, **kwargs)))
            return future

    async def main():
        return await loop.run_in_executor(Inline(), len, "four")

    assert run(main()) == ("inline", 4)


def test_set_default_executor_is_used(run, loop):
    executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="default")
    loop.set_default_executor(executor)

    async def main():
        return await loop.run_in_executor(None, lambda: threading.current_thread().name)

    assert run(main()).startswith("default")
    run(loop.shutdown_default_executor())
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(print)


@pytest.mark.parametrize("bad", [None, 1, "spam", object()])
def test_set_default_executor_takes_only_thread_pools(loop, bad):
    with pytest.raises(TypeError, match="executor must be ThreadPoolExecutor instance"):
        loop.set_default_executor(bad)


def test_closing_the_loop_lets_the_default_executors_threads_end(loop):
    threads = []

    async def main():
        threads.append(await loop.run_in_executor(None, threading.current_thread))

    loop.run_until_complete(main())
    loop.close()
    threads[0].join()
    assert not threads[0].is_alive()


def test_cancelling_the_future_leaves_running_work_alone(run, loop):
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work():
        begun.set()
        may_end.wait()
        ended.set()

    async def main():
        future = loop.run_in_executor(None, work)
        begun.wait()
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        may_end.set()

    run(main())
    assert ended.wait(60)


def test_cancelling_keeps_queued_work_from_running(run, loop):
    begun, may_end, seen = threading.Event(), threading.Event(), []
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))

    def block():
        begun.set()
        may_end.wait()

    async def main():
        first = loop.run_in_executor(None, block)
        begun.wait()
        second = loop.run_in_executor(None, seen.append, "ran")
        second.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await first
        await loop.run_in_executor(None, int)

    run(main())
    assert seen == []


def test_work_that_ends_after_the_loop_was_closed_does_no_harm(loop):
    begun, may_end = threading.Event(), threading.Event()
    executor = concurrent.futures.ThreadPoolExecutor(1)

    def work():
        begun.set()
        may_end.wait()

    loop.run_in_executor(executor, work)
    begun.wait()
    loop.close()
    may_end.set()
    executor.shutdown(wait=True)
