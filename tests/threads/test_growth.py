"""How many workers a pool has: as many as the work needs, up to its size, and fewer again."""

import os
import threading

import pytest

from .waiting import wait_until

RACES = "a worker is noted as idle only after its result was given, so a quick caller gets another"
RETIRES = "its workers never end before the pool does"


def living(pool):
    return sum(thread.is_alive() for thread in pool._threads)


def test_a_new_pool_has_no_threads(new_pool):
    before = threading.active_count()
    pool = new_pool(4)
    assert threading.active_count() == before
    assert len(pool._threads) == 0


@pytest.mark.nalsil_pool(RACES)
def test_one_job_after_another_needs_one_worker(new_pool):
    pool = new_pool(8)
    assert len({pool.submit(threading.get_ident).result() for _ in range(500)}) == 1
    assert len(pool._threads) == 1


@pytest.mark.nalsil_pool(RACES)
@pytest.mark.usefixtures("tiny_switch_interval")
def test_one_job_after_another_needs_one_worker_however_threads_take_turns(new_pool):
    pool = new_pool(8)
    assert len({pool.submit(threading.get_ident).result() for _ in range(500)}) == 1


def test_jobs_that_wait_for_one_another_get_a_worker_each(new_pool):
    pool = new_pool(6)
    barrier = threading.Barrier(6)
    futures = [pool.submit(barrier.wait) for _ in range(6)]
    assert sorted(future.result() for future in futures) == list(range(6))
    assert len(pool._threads) == 6


@pytest.mark.parametrize("count", [1, 3, 5])
def test_there_are_as_many_workers_as_blocked_jobs(new_pool, gate, count):
    pool = new_pool(8)
    for number in range(count):
        pool.submit(gate.job)
        gate.wait_for()
        assert len(pool._threads) == number + 1


def test_more_jobs_than_workers_wait_in_line(new_pool, gate):
    pool = new_pool(2)
    futures = [pool.submit(gate.job) for _ in range(5)]
    gate.wait_for(2)
    assert pool._work_queue.qsize() == 3
    assert len(pool._threads) == 2
    assert sum(future.running() for future in futures) == 2
    assert not gate.has_begun()


def test_idle_workers_are_used_before_new_ones(new_pool, new_gate):
    pool, first, second = new_pool(8), new_gate(), new_gate()
    futures = [pool.submit(first.job) for _ in range(3)]
    first.wait_for(3)
    first.open()
    for future in futures:
        future.result()
    for _ in range(3):
        pool.submit(second.job)
        second.wait_for()
    assert len(pool._threads) <= 4
    second.open()


def test_the_default_size_is_that_of_the_stock_pool(new_pool):
    count = getattr(os, "process_cpu_count", os.cpu_count)
    assert new_pool()._max_workers == min(32, (count() or 1) + 4)


def test_threads_are_named_after_the_pool(new_pool, gate):
    pool = new_pool(2, thread_name_prefix="weaver")
    pool.submit(gate.job)
    pool.submit(gate.job)
    gate.wait_for(2)
    assert {thread.name for thread in pool._threads} == {"weaver_0", "weaver_1"}


def test_pools_without_a_name_are_numbered(new_pool):
    names = [new_pool(1).submit(lambda: threading.current_thread().name).result() for _ in "ab"]
    prefixes = {name.removesuffix("_0") for name in names}
    assert len(prefixes) == 2
    assert all(prefix.startswith("ThreadPoolExecutor-") for prefix in prefixes)


@pytest.mark.nalsil_pool(RETIRES)
class TestRetirement:
    """Workers that had nothing to do for `idle_timeout` seconds end."""

    def test_idle_workers_end(self, new_pool, gate):
        pool = new_pool(4, idle_timeout=0.02)
        for _ in range(4):
            pool.submit(gate.job)
        gate.wait_for(4)
        threads = set(pool._threads)
        assert len(threads) == 4
        gate.open()
        wait_until(lambda: not any(thread.is_alive() for thread in threads))
        wait_until(lambda: len(pool._threads) == 0)

    def test_min_workers_stay(self, new_pool, gate):
        pool = new_pool(6, min_workers=2, idle_timeout=0.02)
        for _ in range(6):
            pool.submit(gate.job)
        gate.wait_for(6)
        gate.open()
        wait_until(lambda: living(pool) == 2)
        wait_until(lambda: pool.statistics()["threads_retired"] == 4)
        other = new_pool(1, idle_timeout=0.02)
        for _ in range(3):
            other.submit(int).result()
            wait_until(lambda: living(other) == 0)
        assert living(pool) == 2

    def test_a_pool_without_workers_starts_new_ones(self, new_pool):
        pool = new_pool(2, idle_timeout=0.01)
        for _ in range(5):
            assert pool.submit(abs, -3).result() == 3
            wait_until(lambda: living(pool) == 0)
        assert pool.statistics()["threads_started"] == 5
        assert pool.statistics()["threads_retired"] == 5

    def test_a_shrunken_pool_grows_again(self, new_pool, new_gate):
        pool = new_pool(3, idle_timeout=0.01)
        for _ in range(3):
            gate = new_gate()
            futures = [pool.submit(gate.job) for _ in range(3)]
            gate.wait_for(3)
            gate.open()
            for future in futures:
                future.result()
            wait_until(lambda: living(pool) == 0)

    def test_without_a_timeout_workers_stay(self, new_pool):
        lasting, other = new_pool(1, idle_timeout=None), new_pool(1, idle_timeout=0.02)
        worker = lasting.submit(threading.get_ident).result()
        for _ in range(5):
            other.submit(int).result()
            wait_until(lambda: living(other) == 0)
        assert living(lasting) == 1
        assert lasting.submit(threading.get_ident).result() == worker

    def test_a_blocked_worker_does_not_count_as_idle(self, busy_pool, new_pool, gate):
        pool, other = busy_pool(idle_timeout=0.01), new_pool(1, idle_timeout=0.02)
        for _ in range(3):
            other.submit(int).result()
            wait_until(lambda: living(other) == 0)
        assert living(pool) == 1
        gate.open()
        wait_until(lambda: living(pool) == 0)

    @pytest.mark.usefixtures("tiny_switch_interval")
    def test_a_job_that_meets_a_retiring_worker_is_not_lost(self, new_pool):
        pool = new_pool(2, idle_timeout=0.0005)
        pause = threading.Event()
        for number in range(300):
            assert pool.submit(abs, -number).result() == number
            # Waits of about the timeout, so that jobs come just when the worker gives up.
            pause.wait(0.0001 * (number % 10))

    def test_dead_threads_are_let_go(self, new_pool):
        pool = new_pool(1, idle_timeout=0.005)
        before = threading.active_count()
        for _ in range(10):
            pool.submit(int).result()
            wait_until(lambda: threading.active_count() == before)
        assert len(pool._threads) == 0
