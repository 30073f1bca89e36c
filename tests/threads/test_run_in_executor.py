"""`run_in_executor` and `asyncio.to_thread`: the default executor, and pools that are given."""

import asyncio
import concurrent.futures
import contextvars
import threading
import warnings

import pytest

from .waiting import wait_until, wait_until_asleep

variable = contextvars.ContextVar("variable", default="unset")
OURS = "it is nalsil's loop with nalsil's pool that does so"


@pytest.fixture
def small(loop, new_pool):
    """The loop's default executor, of two workers."""
    pool = new_pool(2)
    loop.set_default_executor(pool)
    return pool


class TestDefault:
    """The executor that `None` stands for."""

    @pytest.mark.nalsil_only
    async def test_is_nalsils_pool(self, loop):
        import nalsil

        assert await loop.run_in_executor(None, nalsil.check_cancelled) is None
        assert await asyncio.to_thread(nalsil.check_cancelled) is None

    async def test_its_threads_are_named_asyncio(self, loop):
        thread = await loop.run_in_executor(None, threading.current_thread)
        assert thread.name.startswith("asyncio_")

    async def test_one_may_be_set(self, loop, new_pool):
        pool = new_pool(1, thread_name_prefix="mine")
        loop.set_default_executor(pool)
        assert await loop.run_in_executor(None, threading.current_thread) in pool._threads
        assert await asyncio.to_thread(threading.current_thread) in pool._threads

    async def test_a_stock_one_may_be_set(self, loop):
        with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="stock") as pool:
            loop.set_default_executor(pool)
            thread = await asyncio.to_thread(threading.current_thread)
            assert thread.name == "stock_0"
            jobs = [loop.run_in_executor(None, abs, -n) for n in range(100)]
            assert await asyncio.gather(*jobs) == list(range(100))
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(None, lambda: 1 // 0)

    async def test_it_may_be_changed(self, loop, new_pool):
        for prefix in ("first", "second"):
            loop.set_default_executor(new_pool(1, thread_name_prefix=prefix))
            thread = await loop.run_in_executor(None, threading.current_thread)
            assert thread.name == f"{prefix}_0"


class TestResults:
    """What comes back."""

    async def test_a_thousand_at_once(self, small):
        jobs = [asyncio.to_thread(abs, -number) for number in range(1000)]
        assert await asyncio.gather(*jobs) == list(range(1000))

    async def test_one_after_another(self, small):
        assert [await asyncio.to_thread(abs, -n) for n in range(300)] == list(range(300))

    async def test_an_exception_is_the_one_that_was_raised(self, small, loop):
        error = LookupError("mine")

        def fail():
            raise error

        with pytest.raises(LookupError) as caught:
            await loop.run_in_executor(None, fail)
        assert caught.value is error
        assert caught.traceback[-1].name == "fail"

    @pytest.mark.nalsil_only
    @pytest.mark.nalsil_pool("before Python 3.13, nobody ever wakes the caller")
    async def test_stop_iteration_is_a_runtime_error(self, small, loop):
        with pytest.raises(RuntimeError) as caught:
            await loop.run_in_executor(None, next, iter(()))
        assert isinstance(caught.value.__cause__, StopIteration)

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_an_exception_that_ends_the_run_ends_it(self, small, loop, kind):
        def fail():
            raise kind("from the job")

        async def main():
            await loop.run_in_executor(None, fail)

        with pytest.raises(kind, match="from the job"):
            loop.run_until_complete(main())
        assert loop.run_until_complete(asyncio.to_thread(abs, -5)) == 5

    async def test_keywords_pass_through_to_thread(self, small):
        assert await asyncio.to_thread(dict, spam=1, abandon_on_cancel=2) == {
            "spam": 1,
            "abandon_on_cancel": 2,
        }

    async def test_the_loop_runs_meanwhile(self, small, loop, gate, begun, turns):
        future = loop.run_in_executor(None, gate.job, 5)
        await begun(gate)
        await turns(5)
        assert not future.done()
        gate.open()
        assert await future == 5

    async def test_one_that_is_shielded_arrives_after_a_timeout(self, small, loop, gate):
        future = loop.run_in_executor(None, gate.job, "late")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(future), 0.01)
        gate.open()
        assert await future == "late"


class TestContext:
    """Context variables of the caller."""

    async def test_to_thread_carries_them(self, small):
        variable.set("caller")
        assert await asyncio.to_thread(variable.get) == "caller"

    @pytest.mark.nalsil_pool("only `to_thread` carries the context")
    async def test_run_in_executor_carries_them(self, small, loop):
        variable.set("caller")
        assert await loop.run_in_executor(None, variable.get) == "caller"
        assert await loop.run_in_executor(small, variable.get) == "caller"

    async def test_they_stay_in_the_job(self, small, loop):
        variable.set("caller")
        await loop.run_in_executor(None, variable.set, "job")
        assert variable.get() == "caller"

    async def test_tasks_side_by_side_have_their_own(self, small):
        async def ask(value):
            variable.set(value)
            return await asyncio.to_thread(variable.get)

        assert await asyncio.gather(*(ask(n) for n in range(50))) == list(range(50))


class TestCancelled:
    """The future, or the task that awaits it, is cancelled."""

    async def test_in_line_the_job_never_runs(self, small, loop, gate, begun):
        blocked = [loop.run_in_executor(None, gate.job) for _ in range(2)]
        await begun(gate, 2)
        seen = []
        future = loop.run_in_executor(None, seen.append, 1)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        gate.open()
        await asyncio.gather(*blocked)
        await loop.run_in_executor(None, int)
        assert seen == []

    async def test_running_the_job_goes_on_alone(self, small, loop, gate, begun, until):
        ended = []
        future = loop.run_in_executor(None, lambda: gate.job() or ended.append(1))
        await begun(gate)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert ended == []
        gate.open()
        await until(lambda: ended)

    @pytest.mark.nalsil_only
    @pytest.mark.nalsil_pool("it does not count")
    async def test_running_it_counts_as_abandoned(self, small, loop, gate, begun):
        future = loop.run_in_executor(None, gate.job)
        await begun(gate)
        future.cancel()
        await asyncio.gather(future, return_exceptions=True)
        assert small.statistics()["abandoned"] == 1

    @pytest.mark.usefixtures("tiny_switch_interval")
    async def test_at_any_moment_it_runs_at_most_once(self, small, loop, turns):
        counts = []
        for number in range(300):
            ran = []
            future = loop.run_in_executor(None, ran.append, 1)
            counts.append(ran)
            await turns(number % 4)
            if future.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await future
            else:
                assert await future is None
                assert ran == [1]
        await loop.shutdown_default_executor()
        assert all(len(ran) <= 1 for ran in counts)


class TestGiven:
    """Pools other than the default one."""

    async def test_one_that_was_shut_down_refuses(self, loop, new_pool):
        pool = new_pool()
        pool.shutdown()
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            loop.run_in_executor(pool, int)

    @pytest.mark.nalsil_only
    @pytest.mark.nalsil_pool("its line has no bound")
    async def test_a_full_line_does_not_block_the_loop(self, loop, busy_pool, gate, turns):
        pool = busy_pool(max_queue=1)
        futures = [loop.run_in_executor(pool, abs, -number) for number in range(50)]
        await turns(5)
        assert not any(future.done() for future in futures)
        gate.open()
        assert await asyncio.gather(*futures) == list(range(50))

    @pytest.mark.nalsil_only
    @pytest.mark.nalsil_pool("its line has no bound")
    async def test_waiting_for_room_they_can_be_cancelled(self, loop, busy_pool, gate):
        pool, seen = busy_pool(max_queue=1), []
        futures = [loop.run_in_executor(pool, seen.append, number) for number in range(20)]
        for future in futures[::2]:
            future.cancel()
        gate.open()
        await asyncio.gather(*futures, return_exceptions=True)
        assert sorted(seen) == list(range(1, 20, 2))

    async def test_one_that_is_shut_down_meanwhile_cancels_what_is_queued(
        self, loop, busy_pool, gate
    ):
        pool = busy_pool()
        futures = [loop.run_in_executor(pool, int) for _ in range(3)]
        pool.shutdown(wait=False, cancel_futures=True)
        answers = await asyncio.gather(*futures, return_exceptions=True)
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)


def test_two_loops_in_two_threads_share_one_pool(new_loop, new_pool, in_thread):
    pool, barrier = new_pool(3), threading.Barrier(2)
    loops = [new_loop(), new_loop()]

    async def work(loop, base):
        barrier.wait()
        jobs = [loop.run_in_executor(pool, lambda n: n, base + n) for n in range(500)]
        return await asyncio.gather(*jobs)

    runs = [
        in_thread(loop.run_until_complete, work(loop, 1000 * number))
        for number, loop in enumerate(loops)
    ]
    assert runs[0].result() == list(range(500))
    assert runs[1].result() == list(range(1000, 1500))


class TestShutdown:
    """`shutdown_default_executor`"""

    async def test_waits_for_the_jobs(self, small, loop, gate, begun, turns):
        ended = []
        job = loop.run_in_executor(None, lambda: gate.job() or ended.append(1))
        await begun(gate)
        ender = asyncio.create_task(loop.shutdown_default_executor())
        await turns(5)
        assert not ender.done()
        gate.open()
        await ender
        assert ended == [1]
        await job

    async def test_then_the_default_executor_refuses(self, small, loop):
        await loop.shutdown_default_executor()
        with pytest.raises(RuntimeError, match="shutdown"):
            loop.run_in_executor(None, int)

    async def test_ends_the_workers(self, small, loop):
        await loop.run_in_executor(None, int)
        threads = list(small._threads)
        await loop.shutdown_default_executor()
        assert not any(thread.is_alive() for thread in threads)

    @pytest.mark.stock_since(3, 13)
    async def test_warns_when_time_runs_out(self, small, loop, gate, begun):
        job = loop.run_in_executor(None, gate.job)
        await begun(gate)
        with pytest.warns(RuntimeWarning, match="joining its threads within 0.01"):
            await loop.shutdown_default_executor(0.01)
        gate.open()
        await job

    @pytest.mark.nalsil_only
    @pytest.mark.nalsil_pool("it waits for every running job")
    async def test_does_not_wait_for_abandoned_jobs(self, small, loop, gate, begun):
        future = loop.run_in_executor(None, gate.job)
        await begun(gate)
        (thread,) = small._threads
        future.cancel()
        await asyncio.gather(future, return_exceptions=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await loop.shutdown_default_executor()
        assert thread.is_alive()
        gate.open()
        thread.join()

    async def test_waits_for_awaited_jobs_behind_an_abandoned_one(
        self, loop, new_pool, gate, begun, until, turns
    ):
        pool = new_pool(1)
        loop.set_default_executor(pool)
        abandoned = loop.run_in_executor(None, gate.job)
        await begun(gate)
        abandoned.cancel()
        awaited = loop.run_in_executor(None, abs, -7)
        ender = asyncio.create_task(loop.shutdown_default_executor())
        await until(lambda: pool._shutdown)
        await turns(5)
        gate.open()
        await ender
        assert awaited.done()
        assert await awaited == 7

    @pytest.mark.nalsil_only
    @pytest.mark.nalsil_pool("it waits for every running job")
    def test_a_run_that_gave_up_on_a_job_ends_at_once(self, new_loop, gate):
        async def main():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.to_thread(gate.job)

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
        assert gate.has_begun()


def test_closing_the_loop_waits_for_nobody(new_loop, new_pool, gate, in_thread):
    loop, pool = new_loop(), new_pool(1)
    loop.set_default_executor(pool)
    loop.run_in_executor(None, gate.job)
    gate.wait_for()
    (thread,) = pool._threads
    loop.close()
    assert thread.is_alive()
    gate.open()
    thread.join()


def test_the_result_of_a_job_wakes_a_loop_that_sleeps(new_loop, new_pool, in_thread, gate):
    loop, pool = new_loop(), new_pool(1)

    async def main():
        return await loop.run_in_executor(pool, gate.job, "woken")

    running = in_thread(loop.run_until_complete, main())
    gate.wait_for()
    wait_until_asleep(in_thread.threads[0])
    gate.open()
    assert running.result() == "woken"


def test_threads_of_a_loop_end_with_it(new_loop):
    before = threading.active_count()
    for _ in range(20):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(asyncio.to_thread(int))
    wait_until(lambda: threading.active_count() == before)
