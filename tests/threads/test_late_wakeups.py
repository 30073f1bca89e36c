"""Workers are woken late when jobs follow closely, and never too late."""

import threading

import pytest

from .waiting import wait_until

CLOSELY = 300
"""Jobs after one another that make a pool put its wake-ups off."""


def one_after_another(pool):
    for _ in range(CLOSELY):
        assert pool.submit(int).result() == 0


def test_a_job_starts_while_its_submitter_waits_for_something_else(new_pool):
    pool = new_pool(1)
    for _ in range(20):
        one_after_another(pool)
        started = threading.Event()
        pool.submit(started.set)
        # Not a wait of the pool's, which would wake the worker before it sleeps.
        started.wait()


def test_a_job_starts_though_its_submitter_has_ended(new_pool, in_thread):
    pool, started = new_pool(1), threading.Event()

    def submit_and_end():
        one_after_another(pool)
        pool.submit(started.set)

    in_thread(submit_and_end).result()
    started.wait()


def test_jobs_that_were_submitted_together_run_side_by_side(new_pool):
    pool = new_pool(4)
    one_after_another(pool)
    all_there = threading.Barrier(5)
    for _ in range(4):
        pool.submit(all_there.wait)
    all_there.wait()


@pytest.mark.nalsil_pool("it keeps its threads")
def test_threads_retire_after_jobs_that_followed_closely(pool_type):
    with pool_type(2, idle_timeout=0.05) as pool:
        one_after_another(pool)
        wait_until(lambda: not pool._threads)
