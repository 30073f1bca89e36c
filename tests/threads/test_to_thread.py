"""`nalsil.to_thread`, on a loop of nalsil's and on one of asyncio's: calls, context, limits."""

import asyncio
import contextlib
import contextvars
import os
import threading

import pytest

from .limiter import Limiter

pytestmark = pytest.mark.nalsil_pool("`nalsil.to_thread` needs nalsil's pool")

variable = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def loop(small_loop):
    return small_loop


class TestCalls:
    """What is called, where, and what comes back."""

    async def test_in_another_thread(self, to_thread):
        assert await to_thread(threading.get_ident) != threading.get_ident()

    async def test_arguments_and_result(self, to_thread):
        assert await to_thread(lambda *args: args, 1, "two") == (1, "two")

    async def test_an_exception(self, to_thread):
        with pytest.raises(ValueError, match="invalid literal"):
            await to_thread(int, "spam")

    async def test_the_loop_runs_meanwhile(self, to_thread, gate, begun):
        task = asyncio.create_task(to_thread(gate.job, 5))
        await begun(gate)
        await asyncio.sleep(0)
        assert not task.done()
        gate.open()
        assert await task == 5

    async def test_a_thousand_at_once(self, to_thread):
        jobs = [to_thread(abs, -number) for number in range(1000)]
        assert await asyncio.gather(*jobs) == list(range(1000))

    async def test_stop_iteration_is_a_runtime_error(self, to_thread):
        with pytest.raises(RuntimeError) as caught:
            await to_thread(next, iter(()))
        assert isinstance(caught.value.__cause__, StopIteration)

    @pytest.mark.parametrize("kind", [GeneratorExit, MemoryError, StopAsyncIteration])
    async def test_other_exceptions_arrive_as_they_are(self, to_thread, kind):
        error = kind("from the job")

        def fail():
            raise error

        with pytest.raises(kind) as caught:
            await to_thread(fail)
        assert caught.value is error

    async def test_a_cancelled_error_of_the_job_is_raised(self, to_thread):
        def fail():
            raise asyncio.CancelledError("of the job")

        with pytest.raises(asyncio.CancelledError):
            await to_thread(fail)
        assert asyncio.current_task().cancelling() == 0

    async def test_with_a_timeout(self, to_thread, gate):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await to_thread(gate.job, abandon_on_cancel=True)

    async def test_in_a_task_group(self, to_thread):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(to_thread(abs, -number)) for number in range(5)]
        assert [task.result() for task in tasks] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exception_that_ends_the_run_ends_it(loop, to_thread, kind):
    def fail():
        raise kind("from the job")

    async def main():
        await to_thread(fail)

    with pytest.raises(kind, match="from the job"):
        loop.run_until_complete(main())
    assert loop.run_until_complete(asyncio.sleep(0, 5)) == 5


class TestContext:
    """Context variables go in, and come back if asked to."""

    async def test_go_in(self, to_thread):
        variable.set("caller")
        assert await to_thread(variable.get) == "caller"

    async def test_stay_there(self, to_thread):
        variable.set("caller")
        await to_thread(variable.set, "job")
        assert variable.get() == "caller"

    async def test_come_back(self, to_thread):
        variable.set("caller")
        await to_thread(variable.set, "job", copy_back=True)
        assert variable.get() == "job"

    async def test_new_ones_come_back(self, to_thread):
        new = contextvars.ContextVar("new")
        await to_thread(new.set, "made by the job", copy_back=True)
        assert new.get() == "made by the job"

    async def test_come_back_when_the_job_raises(self, to_thread):
        def fail():
            variable.set("failing")
            raise LookupError

        with pytest.raises(LookupError):
            await to_thread(fail, copy_back=True)
        assert variable.get() == "failing"


class TestLimiter:
    """`limiter`: any async context manager, held while the job runs."""

    async def test_is_held_by_the_job(self, to_thread, gate, begun):
        limiter = Limiter(1)
        task = asyncio.create_task(to_thread(gate.job, limiter=limiter))
        await begun(gate)
        assert limiter.locked()
        gate.open()
        await task
        assert not limiter.locked()
        assert (limiter.taken, limiter.given) == (1, 1)

    async def test_bounds_how_many_run(self, to_thread):
        limiter, running, most = Limiter(1), 0, 0
        lock = threading.Lock()

        def work():
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            os.sched_yield()
            with lock:
                running -= 1

        await asyncio.gather(*(to_thread(work, limiter=limiter) for _ in range(50)))
        assert most == 1
        assert limiter.given == 50

    async def test_is_given_back_when_the_job_raises(self, to_thread):
        limiter = Limiter(1)
        with pytest.raises(ZeroDivisionError):
            await to_thread(lambda: 1 // 0, limiter=limiter)
        assert not limiter.locked()

    async def test_cancelled_while_it_waits_for_it_the_job_never_runs(self, to_thread, turns):
        limiter, seen = Limiter(1), []
        async with limiter:
            task = asyncio.create_task(to_thread(seen.append, 1, limiter=limiter))
            await turns(3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not limiter.locked()
        assert limiter.taken == limiter.given == 1
        assert seen == []

    async def test_that_refuses_keeps_the_job_from_running(self, to_thread):
        seen = []

        @contextlib.asynccontextmanager
        async def closed():
            raise LookupError("no room")
            yield

        with pytest.raises(LookupError, match="no room"):
            await to_thread(seen.append, 1, limiter=closed())
        assert seen == []


def test_a_stock_loop_needs_no_preparation(program):
    source = """
        import asyncio, nalsil, threading

        async def main():
            values = await asyncio.gather(*(nalsil.to_thread(abs, -n) for n in range(100)))
            assert values == list(range(100))
            assert await nalsil.to_thread(nalsil.check_cancelled) is None
            return await nalsil.to_thread(threading.get_ident) != threading.get_ident()

        print(asyncio.run(main()))
    """
    ended = program(source)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("True\n", "", 0)
