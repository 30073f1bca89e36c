"""`statistics`: what a pool counts."""

import functools
import threading

import pytest

from .waiting import wait_until

pytestmark = pytest.mark.nalsil_pool("it counts nothing")

COUNTS = {
    "workers",
    "idle",
    "blocked",
    "max_workers",
    "queued",
    "running",
    "submitted",
    "completed",
    "failed",
    "cancelled",
    "abandoned",
    "threads_started",
    "threads_retired",
    "overflow",
    "saturated",
}
TIMES = {"queue_wait", "gil_wait", "run", "wake"}


def settled(pool):
    """The statistics once nothing runs any more."""
    wait_until(lambda: pool.statistics()["running"] == 0 and pool.statistics()["queued"] == 0)
    return pool.statistics()


def test_it_has_every_count_and_every_time(new_pool):
    statistics = new_pool(3).statistics()
    assert set(statistics) == COUNTS | TIMES | {"functions"}
    assert all(type(statistics[name]) is int for name in COUNTS)
    assert {name: statistics[name] for name in COUNTS} == dict.fromkeys(COUNTS, 0) | {
        "max_workers": 3
    }
    for name in TIMES:
        assert set(statistics[name]) == {"count", "mean", "p50", "p99", "max"}
        assert statistics[name]["count"] == 0
    assert statistics["functions"] == {}


def test_running_and_queued_jobs(busy_pool, gate):
    pool = busy_pool(2)
    for _ in range(3):
        pool.submit(int)
    statistics = pool.statistics()
    assert (statistics["running"], statistics["queued"]) == (2, 3)
    assert (statistics["workers"], statistics["idle"]) == (2, 0)
    assert (statistics["submitted"], statistics["completed"]) == (5, 0)
    gate.open()
    after = settled(pool)
    wait_until(lambda: pool.statistics()["idle"] == 2)
    assert (after["submitted"], after["completed"]) == (5, 5)


def test_every_job_ends_in_one_count(busy_pool, gate):
    pool = busy_pool()
    for number in range(10):
        pool.submit(int, number)
    for _ in range(4):
        pool.submit(int, "spam")
    for _ in range(3):
        pool.submit(int).cancel()
    gate.open()
    statistics = settled(pool)
    assert statistics["submitted"] == 18
    assert statistics["completed"] == 11
    assert statistics["failed"] == 4
    assert statistics["cancelled"] == 3


def test_what_shutdown_cancels_is_counted(busy_pool, gate):
    pool = busy_pool()
    for _ in range(5):
        pool.submit(int)
    pool.shutdown(wait=False, cancel_futures=True)
    assert pool.statistics()["cancelled"] == 5
    gate.open()
    pool.shutdown()
    assert pool.statistics()["workers"] == 0


def test_submissions_that_find_every_worker_busy(new_pool, gate):
    pool = new_pool(2)
    for _ in range(2):
        pool.submit(gate.job)
        gate.wait_for()
    assert pool.statistics()["saturated"] == 0
    for _ in range(3):
        pool.submit(int)
    assert pool.statistics()["saturated"] == 3


def test_threads_that_came_and_went(new_pool):
    pool = new_pool(1, idle_timeout=0.01)
    for count in range(1, 4):
        pool.submit(int).result()
        wait_until(lambda count=count: pool.statistics()["threads_retired"] == count)
        assert pool.statistics()["threads_started"] == count
        assert pool.statistics()["workers"] == 0


def test_times_are_in_seconds(new_pool, gate):
    pool = new_pool(1)
    running, waiting = pool.submit(gate.job), pool.submit(int)
    gate.wait_for()
    threading.Event().wait(0.05)
    gate.open()
    waiting.result()
    running.result()
    statistics = settled(pool)
    for name in ("run", "queue_wait"):
        times = statistics[name]
        assert times["count"] == 2
        assert times["max"] >= 0.05
        assert 0 <= times["p50"] <= times["p99"] <= times["max"]
        assert 0 < times["mean"] <= times["max"]
        assert times["max"] < 60


def test_an_unused_time_is_zero_or_nothing(new_pool):
    times = new_pool().statistics()["run"]
    assert all(not times[name] for name in ("count", "mean", "p50", "p99", "max"))


def weave(fail=False):
    if fail:
        raise LookupError


class Loom:
    def shuttle(self):
        return None

    @staticmethod
    def beat():
        return None


def test_functions_are_counted_by_their_qualified_name(new_pool):
    pool = new_pool(1)
    for fail in (False, False, True):
        pool.submit(weave, fail)
    pool.submit(Loom().shuttle)
    pool.submit(Loom.beat)
    settled(pool)
    functions = pool.statistics()["functions"]
    assert {name.rpartition("test_statistics.")[2] for name in functions} == {
        "weave",
        "Loom.shuttle",
        "Loom.beat",
    }
    (woven,) = (entry for name, entry in functions.items() if name.endswith("weave"))
    assert set(woven) == {"count", "failed", "run", "queue_wait"}
    assert (woven["count"], woven["failed"]) == (3, 1)
    assert woven["run"]["count"] == woven["queue_wait"]["count"] == 3


def test_a_partial_counts_as_what_it_calls(new_pool):
    pool = new_pool(1)
    pool.submit(functools.partial(weave, fail=False)).result()
    (name,) = settled(pool)["functions"]
    assert name.endswith("weave")


def test_functions_of_one_name_count_as_one(new_pool):
    pool = new_pool(1)
    functions = [lambda: 1, lambda: int("spam")]
    for fn in [*functions, *functions, functions[0]]:
        pool.submit(fn).exception()
    ((name, entry),) = settled(pool)["functions"].items()
    assert name.endswith("test_functions_of_one_name_count_as_one.<locals>.<lambda>")
    assert (entry["count"], entry["failed"]) == (5, 2)
    assert entry["run"]["count"] == entry["queue_wait"]["count"] == 5


def test_what_is_given_belongs_to_the_caller(new_pool):
    pool = new_pool(1)
    pool.statistics()["submitted"] = 77
    pool.statistics()["functions"]["spam"] = {}
    assert pool.statistics()["submitted"] == 0
    assert pool.statistics()["functions"] == {}


@pytest.mark.usefixtures("tiny_switch_interval")
def test_the_counts_add_up_at_every_moment(new_pool, in_thread):
    pool = new_pool(3)

    def submit_many():
        for number in range(300):
            pool.submit(int, number)

    submitters = [in_thread(submit_many) for _ in range(3)]
    while not all(submitter.done() for submitter in submitters):
        seen = pool.statistics()
        ended = seen["completed"] + seen["failed"] + seen["cancelled"]
        assert ended <= seen["submitted"]
        assert seen["workers"] <= seen["max_workers"]
        assert seen["idle"] <= seen["workers"]
    assert settled(pool)["completed"] == 900
