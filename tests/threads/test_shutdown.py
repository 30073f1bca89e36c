"""The end of a pool: what still runs, what is cancelled, what is refused."""

import concurrent.futures
import threading
import time
import weakref

import pytest

from .waiting import wait_until, wait_until_asleep

REFUSED = "cannot schedule new futures after shutdown"
TIMEOUT = "`shutdown` has no timeout"


def test_waits_for_running_and_queued_jobs(busy_pool, in_thread, gate):
    pool, seen = busy_pool(), []
    for number in range(3):
        pool.submit(seen.append, number)
    ender = in_thread(pool.shutdown)
    wait_until_asleep(in_thread.threads[-1])
    assert not ender.done()
    gate.open()
    ender.result()
    assert seen == [0, 1, 2]


def test_ends_the_workers(new_pool, gate):
    pool = new_pool(3)
    for _ in range(3):
        pool.submit(gate.job)
    gate.wait_for(3)
    threads = set(pool._threads)
    gate.open()
    pool.shutdown()
    assert len(threads) == 3
    assert not any(thread.is_alive() for thread in threads)


def test_without_waiting_queued_jobs_still_run(busy_pool, gate):
    pool = busy_pool()
    future = pool.submit(abs, -3)
    pool.shutdown(wait=False)
    assert not future.done()
    gate.open()
    assert future.result() == 3


def test_cancels_what_is_queued_if_asked_to(busy_pool, gate):
    pool, seen, called = busy_pool(), [], []
    futures = [pool.submit(seen.append, number) for number in range(3)]
    futures[0].add_done_callback(called.append)
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    assert called == [futures[0]]
    gate.open()
    pool.shutdown()
    assert seen == []


def test_cancelling_wakes_those_who_wait_for_the_job(busy_pool, in_thread):
    pool = busy_pool()
    future = pool.submit(int)
    waiter = in_thread(future.result)
    wait_until_asleep(in_thread.threads[-1])
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(concurrent.futures.CancelledError):
        waiter.result()


def test_leaves_running_jobs_to_end(busy_pool, in_thread, gate):
    pool = busy_pool()
    ender = in_thread(lambda: pool.shutdown(cancel_futures=True))
    wait_until_asleep(in_thread.threads[-1])
    assert not ender.done()
    gate.open()
    ender.result()


@pytest.mark.parametrize("wait", [True, False])
def test_then_new_work_is_refused(new_pool, wait):
    pool = new_pool()
    pool.submit(int).result()
    pool.shutdown(wait=wait)
    with pytest.raises(RuntimeError, match=REFUSED):
        pool.submit(int)
    assert pool._shutdown


def test_a_running_job_cannot_submit_any_more(new_pool, gate):
    pool = new_pool(1)
    future = pool.submit(lambda: gate.job() or pool.submit(int))
    gate.wait_for()
    pool.shutdown(wait=False)
    gate.open()
    with pytest.raises(RuntimeError, match=REFUSED):
        future.result()


def test_may_be_called_again(new_pool):
    pool = new_pool()
    pool.submit(int)
    pool.shutdown(wait=False)
    pool.shutdown()
    pool.shutdown(cancel_futures=True)


def test_from_many_threads_at_once(busy_pool, in_thread, gate):
    pool = busy_pool()
    enders = [in_thread(pool.shutdown) for _ in range(5)]
    gate.open()
    for ender in enders:
        ender.result()
    assert not any(thread.is_alive() for thread in pool._threads)


def test_of_a_pool_that_was_never_used(new_pool):
    new_pool().shutdown()
    with new_pool():
        pass


def test_from_a_job_without_waiting(new_pool):
    pool = new_pool(1)
    assert pool.submit(pool.shutdown, wait=False).result() is None
    with pytest.raises(RuntimeError, match=REFUSED):
        pool.submit(int)


def test_a_job_cannot_wait_for_the_end_of_its_own_worker(new_pool):
    pool = new_pool(1)
    assert isinstance(pool.submit(pool.shutdown).exception(), RuntimeError)


def test_from_a_done_callback(new_pool):
    pool, called = new_pool(1), threading.Event()
    future = pool.submit(int)
    future.add_done_callback(lambda _: (pool.shutdown(wait=False), called.set()))
    called.wait()
    with pytest.raises(RuntimeError, match=REFUSED):
        pool.submit(int)


@pytest.mark.nalsil_pool(TIMEOUT)
class TestTimeout:
    """`shutdown(timeout=...)`"""

    def test_runs_out_and_names_the_jobs_that_run(self, busy_pool, gate):
        pool = busy_pool(2)
        begin = time.monotonic()
        with pytest.raises(TimeoutError, match=r"Gate\.job"):
            pool.shutdown(timeout=0.05)
        assert time.monotonic() - begin >= 0.05
        with pytest.raises(RuntimeError, match=REFUSED):
            pool.submit(int)
        gate.open()
        pool.shutdown(timeout=60)
        assert not any(thread.is_alive() for thread in pool._threads)

    def test_queued_jobs_still_run_after_it(self, busy_pool, gate):
        pool = busy_pool()
        future = pool.submit(abs, -2)
        with pytest.raises(TimeoutError):
            pool.shutdown(timeout=0.01)
        gate.open()
        assert future.result() == 2

    def test_with_cancelling_only_running_jobs_are_left(self, busy_pool):
        pool = busy_pool()
        future = pool.submit(int)
        with pytest.raises(TimeoutError):
            pool.shutdown(cancel_futures=True, timeout=0)
        assert future.cancelled()

    def test_without_waiting_it_does_not_count(self, busy_pool):
        busy_pool().shutdown(wait=False, timeout=0)

    def test_that_is_long_enough_passes(self, new_pool):
        pool = new_pool(2)
        futures = [pool.submit(abs, -number) for number in range(20)]
        pool.shutdown(timeout=60)
        assert [future.result() for future in futures] == list(range(20))


class TestDropped:
    """Pools that nobody holds any more, and that were not shut down."""

    def test_idle_workers_end(self, pool_type, gate):
        pool = pool_type(3)
        for _ in range(3):
            pool.submit(gate.job)
        gate.wait_for(3)
        threads = list(pool._threads)
        gate.open()
        del pool
        for thread in threads:
            thread.join()

    def test_queued_jobs_still_run(self, pool_type, gate):
        pool = pool_type(1)
        pool.submit(gate.job)
        gate.wait_for()
        (thread,) = pool._threads
        future = pool.submit(abs, -4)
        del pool
        gate.open()
        assert future.result() == 4
        thread.join()

    def test_the_pool_goes_away_at_once(self, pool_type, gate):
        pool = pool_type(1)
        pool.submit(gate.job)
        gate.wait_for()
        reference = weakref.ref(pool)
        del pool
        assert reference() is None

    def test_by_its_own_job(self, pool_type, gate):
        pools = [pool_type(1)]
        (pool,) = pools
        future = pool.submit(lambda: gate.job() or pools.clear())
        gate.wait_for()
        (thread,) = pool._threads
        del pool
        gate.open()
        future.result()
        thread.join()

    def test_many_leave_no_thread(self, pool_type):
        before = threading.active_count()
        for _ in range(50):
            assert pool_type(2).submit(int).result() == 0
        wait_until(lambda: threading.active_count() == before)
