"""Priorities: which job is taken next."""

import random

import pytest

pytestmark = pytest.mark.nalsil_pool("it takes jobs in the order of submission only")


def test_higher_comes_first(busy_pool, gate):
    pool, seen = busy_pool(), []
    for priority in (1, 3, -2, 2):
        pool.options(priority=priority).submit(seen.append, priority)
    gate.open()
    pool.shutdown()
    assert seen == [3, 2, 1, -2]


def test_plain_submit_has_priority_zero(busy_pool, gate):
    pool, seen = busy_pool(), []
    pool.options(priority=-1).submit(seen.append, "below")
    pool.submit(seen.append, "plain")
    pool.options(priority=0).submit(seen.append, "zero")
    pool.options(priority=1).submit(seen.append, "above")
    gate.open()
    pool.shutdown()
    assert seen == ["above", "plain", "zero", "below"]


def test_within_one_priority_the_first_comes_first(busy_pool, gate):
    pool, seen = busy_pool(), []
    jobs = [(priority, number) for priority in (-5, 0, 7) for number in range(50)]
    order = jobs[:]
    random.Random(3).shuffle(order)
    for job in order:
        pool.options(priority=job[0]).submit(seen.append, job)
    gate.open()
    pool.shutdown()
    assert seen == sorted(order, key=lambda job: -job[0])


def test_a_view_may_be_kept_and_used_again(busy_pool, gate):
    pool, seen = busy_pool(), []
    urgent = pool.options(priority=10)
    pool.submit(seen.append, "plain")
    for number in range(3):
        urgent.submit(seen.append, number)
    gate.open()
    pool.shutdown()
    assert seen == [0, 1, 2, "plain"]


def test_map_has_one_too(busy_pool, gate):
    pool, seen = busy_pool(), []
    pool.submit(seen.append, "plain")
    results = pool.options(priority=1).map(seen.append, "ab")
    gate.open()
    list(results)
    pool.shutdown()
    assert seen == ["a", "b", "plain"]


def test_the_keywords_of_a_job_stay_its_own(new_pool):
    view = new_pool().options(priority=1)
    assert view.submit(lambda **kwargs: kwargs, priority=5).result() == {"priority": 5}


def test_a_running_job_is_not_interrupted(busy_pool, gate):
    pool = busy_pool()
    urgent = pool.options(priority=100).submit(int)
    assert not urgent.running()
    gate.open()
    assert urgent.result() == 0


def test_a_cancelled_job_leaves_the_order_of_the_others(busy_pool, gate):
    pool, seen = busy_pool(), []
    futures = [pool.options(priority=n % 3).submit(seen.append, n) for n in range(12)]
    assert all(futures[number].cancel() for number in (2, 6, 7))
    gate.open()
    pool.shutdown()
    assert seen == [5, 8, 11, 1, 4, 10, 0, 3, 9]
