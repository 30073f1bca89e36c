"""`wait`, `as_completed` and `wrap_future`, with futures of several kinds together."""

import asyncio
import concurrent.futures
import signal
import threading

import pytest

from .waiting import wait_until_asleep


@pytest.fixture
def stock_pool(gates):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield pool
        gates.open_all()


@pytest.fixture
def both(new_pool, stock_pool):
    """Submits to the pool under test and to a stock pool in turn."""
    pools = [new_pool(4), stock_pool]

    def submit(fn, *args):
        pools.reverse()
        return pools[0].submit(fn, *args)

    return submit


def test_wait_for_all(both):
    futures = [both(abs, -number) for number in range(20)]
    done, left = concurrent.futures.wait(futures)
    assert done == set(futures)
    assert left == set()


def test_wait_for_the_first(both, new_gate):
    gates = [new_gate() for _ in range(4)]
    futures = [both(gate.job) for gate in gates]
    for gate, future in zip(gates, futures, strict=True):
        gate.open()
        pending = [one for one in futures if one is future or not one.done()]
        done, _ = concurrent.futures.wait(pending, return_when="FIRST_COMPLETED")
        assert done == {future}


def test_wait_for_the_first_exception(both, gate, in_thread, new_gate):
    failing, held = new_gate(), [both(gate.job) for _ in range(3)]
    broken = both(lambda: failing.job() or 1 // 0)
    fine = both(int)
    fine.result()
    waiter = in_thread(
        lambda: concurrent.futures.wait([*held, broken, fine], return_when="FIRST_EXCEPTION")
    )
    wait_until_asleep(in_thread.threads[0])
    failing.open()
    done, left = waiter.result()
    assert done == {broken, fine}
    assert left == set(held)


def test_wait_until_time_runs_out(both, gate):
    quick, slow = both(int), both(gate.job)
    quick.result()
    done, left = concurrent.futures.wait([quick, slow], timeout=0.01)
    assert done == {quick}
    assert left == {slow}


def test_as_completed_gives_them_as_they_complete(both, new_gate):
    gates = [new_gate() for _ in range(4)]
    futures = [both(gate.job, number) for number, gate in enumerate(gates)]
    completed = concurrent.futures.as_completed(futures)
    for number in (2, 0, 3, 1):
        gates[number].open()
        assert next(completed) is futures[number]


def test_as_completed_until_time_runs_out(both, gate):
    futures = [both(int), both(gate.job)]
    with pytest.raises(TimeoutError, match=r"1 \(of 2\) futures unfinished"):
        list(concurrent.futures.as_completed(futures, timeout=0.05))


def test_cancelled_ones_count_as_completed(busy_pool, gate):
    pool = busy_pool()
    futures = [pool.submit(int) for _ in range(3)]
    futures[1].cancel()
    gate.open()
    assert set(concurrent.futures.as_completed(futures)) == set(futures)


@pytest.mark.nalsil_pool("`wait` waits for them for ever")
def test_those_that_shutdown_cancelled_count_as_completed(busy_pool):
    pool = busy_pool()
    futures = [pool.submit(int) for _ in range(3)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert concurrent.futures.wait(futures).done == set(futures)
    assert set(concurrent.futures.as_completed(futures)) == set(futures)


def test_the_same_one_twice_is_given_once(new_pool):
    future = new_pool().submit(int)
    assert list(concurrent.futures.as_completed([future, future])) == [future]


@pytest.mark.usefixtures("tiny_switch_interval")
def test_many_are_all_given_once(both):
    futures = [both(abs, -number) for number in range(1000)]
    given = list(concurrent.futures.as_completed(futures))
    assert len(given) == 1000
    assert set(given) == set(futures)


class Rung(BaseException):
    """What the signal handler raises."""


def test_a_signal_is_handled_while_a_result_is_waited_for(new_pool, in_thread, gate):
    def ring(signum, frame):
        raise Rung

    def send(thread):
        wait_until_asleep(thread)
        signal.pthread_kill(thread.ident, signal.SIGUSR1)

    future = new_pool(1).submit(gate.job, 5)
    previous = signal.signal(signal.SIGUSR1, ring)
    try:
        in_thread(send, threading.current_thread())
        with pytest.raises(Rung):
            future.result()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    gate.open()
    assert future.result() == 5


class TestWrapped:
    """`asyncio.wrap_future` on a loop of nalsil's and on one of asyncio's."""

    def test_the_result_arrives(self, each_loop, new_pool):
        async def main():
            return await asyncio.wrap_future(new_pool().submit(abs, -5))

        assert each_loop.run_until_complete(main()) == 5

    def test_the_exception_arrives(self, each_loop, new_pool):
        async def main():
            with pytest.raises(ValueError, match="invalid literal"):
                await asyncio.wrap_future(new_pool().submit(int, "spam"))

        each_loop.run_until_complete(main())

    def test_cancelling_it_cancels_the_queued_job(self, each_loop, busy_pool):
        future = busy_pool().submit(int)

        async def main():
            wrapped = asyncio.wrap_future(future)
            wrapped.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wrapped

        each_loop.run_until_complete(main())
        assert future.cancelled()

    def test_cancelling_the_job_cancels_it(self, each_loop, busy_pool, in_thread):
        future = busy_pool().submit(int)

        async def main():
            wrapped = asyncio.wrap_future(future)
            in_thread(future.cancel)
            with pytest.raises(asyncio.CancelledError):
                await wrapped

        each_loop.run_until_complete(main())

    def test_one_that_is_done_already(self, each_loop, future_type):
        future = future_type()
        future.set_result("done")

        async def main():
            return await asyncio.wrap_future(future)

        assert each_loop.run_until_complete(main()) == "done"

    def test_many_at_once(self, each_loop, new_pool):
        pool = new_pool(4)

        async def main():
            jobs = [asyncio.wrap_future(pool.submit(abs, -number)) for number in range(500)]
            return await asyncio.gather(*jobs)

        assert each_loop.run_until_complete(main()) == list(range(500))


@pytest.mark.nalsil_pool("a job that waits for jobs of its own pool hangs when no worker is left")
class TestInAJobOfTheSamePool:
    def test_wait(self, new_pool):
        pool = new_pool(1)

        def outer():
            inner = [pool.submit(pow, 2, exponent) for exponent in range(3)]
            done, waiting = concurrent.futures.wait(inner)
            assert not waiting
            return sorted(future.result() for future in done)

        assert pool.submit(outer).result() == [1, 2, 4]

    def test_as_completed(self, new_pool):
        pool = new_pool(1)

        def outer():
            inner = [pool.submit(pow, 2, exponent) for exponent in range(3)]
            return sorted(future.result() for future in concurrent.futures.as_completed(inner))

        assert pool.submit(outer).result() == [1, 2, 4]

    def test_a_free_worker_runs_them_instead(self, new_pool):
        pool = new_pool(2)

        def outer():
            inner = pool.submit(threading.get_ident)
            concurrent.futures.wait([inner])
            return inner.result() != threading.get_ident()

        assert pool.submit(outer).result()
