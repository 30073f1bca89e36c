"""`nalsil.to_thread` whose awaiting task is cancelled, at every stage of the job.

On a loop of nalsil's and on one of asyncio's.
"""

import asyncio
import contextvars
import gc
import os
import threading

import pytest

from .limiter import Limiter
from .waiting import wait_until

pytestmark = pytest.mark.nalsil_pool("`nalsil.to_thread` needs nalsil's pool")

variable = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def loop(small_loop):
    return small_loop


async def cancelled(task):
    """Cancel a task and wait until it is cancelled."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def full(loop, gate, begun):
    """`await full()` makes both workers of the loop's pool wait at `gate`."""

    async def fill():
        loop.run_in_executor(None, gate.job)
        loop.run_in_executor(None, gate.job)
        await begun(gate, 2)

    return fill


class TestCancelledInLine:
    """The awaiting task is cancelled before the job has begun."""

    @pytest.mark.parametrize("abandon", [False, True])
    async def test_the_job_never_runs(self, to_thread, full, gate, turns, abandon):
        await full()
        seen = []
        task = asyncio.create_task(to_thread(seen.append, 1, abandon_on_cancel=abandon))
        await turns(3)
        await cancelled(task)
        gate.open()
        await to_thread(int)
        await to_thread(int)
        assert seen == []

    async def test_before_its_first_step(self, to_thread):
        seen = []
        task = asyncio.create_task(to_thread(seen.append, 1))
        await cancelled(task)
        assert await to_thread(len, seen) == 0

    async def test_the_limiter_is_given_back(self, to_thread, full, turns):
        await full()
        limiter = Limiter(1)
        task = asyncio.create_task(to_thread(int, limiter=limiter))
        await turns(3)
        assert limiter.locked()
        await cancelled(task)
        assert not limiter.locked()

    async def test_many_leave_nothing_in_line(self, to_thread, full, loop, turns, gate):
        await full()
        seen = []
        tasks = [asyncio.create_task(to_thread(seen.append, n)) for n in range(200)]
        await turns(3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
        gate.open()
        await to_thread(int)
        assert seen == []


class TestCancelledWhileItRuns:
    """The awaiting task is cancelled after the job has begun."""

    async def test_the_task_waits_for_the_job(self, to_thread, gate, begun, turns):
        ended = []
        task = asyncio.create_task(to_thread(lambda: gate.job() or ended.append(1)))
        await begun(gate)
        task.cancel()
        await turns(5)
        assert not task.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [1]

    async def test_abandoned_it_goes_on_alone(self, to_thread, gate, begun, until):
        ended = []
        task = asyncio.create_task(
            to_thread(lambda: gate.job() or ended.append(1), abandon_on_cancel=True)
        )
        await begun(gate)
        await cancelled(task)
        assert ended == []
        gate.open()
        await until(lambda: ended)

    @pytest.mark.parametrize("abandon", [False, True])
    async def test_the_job_can_see_it(self, module, to_thread, gate, begun, until, abandon):
        seen = []

        def work():
            gate.job()
            try:
                module.check_cancelled()
            except asyncio.CancelledError:
                seen.append("told")

        task = asyncio.create_task(to_thread(work, abandon_on_cancel=abandon))
        await begun(gate)
        task.cancel()
        # The task is resumed in a later turn; it is that which tells the job.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: seen)

    async def test_a_job_that_watches_for_it_ends_the_wait(self, module, to_thread, until):
        begun = threading.Event()

        def work():
            begun.set()
            while True:
                module.check_cancelled()

        task = asyncio.create_task(to_thread(work))
        await until(begun.is_set)
        await cancelled(task)

    async def test_one_that_is_not_cancellable_is_not_told(
        self, module, to_thread, gate, begun, turns
    ):
        seen = []
        task = asyncio.create_task(
            to_thread(
                lambda: gate.job() or seen.append(module.check_cancelled()), cancellable=False
            )
        )
        await begun(gate)
        task.cancel()
        await turns(3)
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == [None]

    async def test_the_result_is_dropped(self, to_thread, gate, begun, turns):
        task = asyncio.create_task(to_thread(gate.job, "dropped"))
        await begun(gate)
        task.cancel()
        await turns(3)
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    async def test_an_exception_of_an_abandoned_job_is_reported(
        self, to_thread, gate, begun, until, reported
    ):
        task = asyncio.create_task(to_thread(lambda: gate.job() or 1 // 0, abandon_on_cancel=True))
        await begun(gate)
        await cancelled(task)
        gate.open()
        await until(lambda: reported)
        (context,) = reported
        assert isinstance(context["exception"], ZeroDivisionError)

    async def test_an_abandoned_job_that_gives_up_is_not_reported(
        self, module, to_thread, gate, begun, until, reported
    ):
        left = threading.Event()

        def work():
            gate.job()
            try:
                module.check_cancelled()
            finally:
                left.set()

        task = asyncio.create_task(to_thread(work, abandon_on_cancel=True))
        await begun(gate)
        await cancelled(task)
        gate.open()
        await until(left.is_set)
        await to_thread(int)
        assert reported == []

    async def test_the_limiter_is_held_until_the_job_ends(self, to_thread, gate, begun, turns):
        limiter = Limiter(1)
        task = asyncio.create_task(to_thread(gate.job, limiter=limiter))
        await begun(gate)
        task.cancel()
        await turns(5)
        assert limiter.locked()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not limiter.locked()

    async def test_the_limiter_of_an_abandoned_job_is_given_back_in_the_end(
        self, to_thread, gate, begun, until
    ):
        limiter = Limiter(1)
        task = asyncio.create_task(to_thread(gate.job, limiter=limiter, abandon_on_cancel=True))
        await begun(gate)
        await cancelled(task)
        gate.open()
        await until(lambda: not limiter.locked())
        assert limiter.taken == limiter.given == 1

    async def test_cancelled_twice_it_still_waits(self, to_thread, gate, begun, turns):
        task = asyncio.create_task(to_thread(gate.job))
        await begun(gate)
        for _ in range(2):
            task.cancel()
            await turns(3)
            assert not task.done()
        gate.open()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_context_of_a_job_that_was_cancelled_stays_there(
        self, to_thread, gate, begun, turns
    ):
        seen = []

        async def caller():
            try:
                await to_thread(lambda: gate.job() or variable.set("job"), abandon_on_cancel=True)
            finally:
                seen.append(variable.get())

        task = asyncio.create_task(caller())
        await begun(gate)
        await cancelled(task)
        assert seen == ["unset"]


class TestCancelledAsItEnds:
    """The awaiting task is cancelled when the job is over, but before the task has heard of it."""

    @pytest.mark.parametrize("abandon", [False, True])
    async def test_the_task_is_cancelled(self, to_thread, gate, begun, turns, abandon):
        over = threading.Event()
        task = asyncio.create_task(
            to_thread(lambda: gate.job() or over.set(), abandon_on_cancel=abandon)
        )
        await begun(gate)
        gate.open()
        over.wait()
        await cancelled(task)

    @pytest.mark.usefixtures("tiny_switch_interval")
    @pytest.mark.parametrize("abandon", [False, True])
    async def test_at_any_moment_it_ends_in_one_way(self, to_thread, turns, until, abandon):
        limiter = Limiter(2)
        outcomes = {"result": 0, "cancelled": 0}
        for number in range(300):
            ran = []
            task = asyncio.create_task(
                to_thread(ran.append, 1, limiter=limiter, abandon_on_cancel=abandon)
            )
            await turns(number % 12)
            task.cancel()
            try:
                await task
                outcomes["result"] += 1
                assert ran == [1]
            except asyncio.CancelledError:
                outcomes["cancelled"] += 1
        assert sum(outcomes.values()) == 300
        await until(lambda: limiter.taken == limiter.given)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("abandon", [False, True])
def test_cancellation_leaves_no_thread_and_no_descriptor(loop, to_thread, new_gate, begun, abandon):
    async def cancel_some(count):
        gate = new_gate()
        options = {"abandon_on_cancel": abandon}
        tasks = [asyncio.create_task(to_thread(gate.job, **options)) for _ in range(count)]
        await begun(gate, 2)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(*tasks, return_exceptions=True)
        await to_thread(int)

    loop.run_until_complete(cancel_some(5))
    before = descriptors(), threading.active_count()
    for _ in range(10):
        loop.run_until_complete(cancel_some(20))
    gc.collect()
    wait_until(lambda: (descriptors(), threading.active_count()) == before)
