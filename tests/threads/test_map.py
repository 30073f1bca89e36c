"""`map`: one function over many arguments."""

import concurrent.futures
import itertools
import threading

import pytest

BUFFERSIZE = "`map(buffersize=)` is there on every Python"


def test_results_come_in_the_order_of_the_arguments(new_pool, new_gate):
    first, second = new_gate(), new_gate()
    results = new_pool(2).map(lambda gate: gate.job(gate), [first, second])
    second.open()
    second.wait_for()
    first.open()
    assert list(results) == [first, second]


def test_the_shortest_iterable_ends_it(new_pool):
    assert list(new_pool().map(pow, [2, 3, 4], [5, 2])) == [32, 9]


def test_nothing_to_do_gives_nothing(new_pool):
    assert list(new_pool().map(abs, [])) == []


def test_work_begins_before_the_results_are_asked_for(new_pool, gate):
    results = new_pool(2).map(gate.job, "ab")
    gate.wait_for(2)
    gate.open()
    assert list(results) == ["a", "b"]


def test_an_exception_comes_at_its_place_and_ends_the_results(new_pool):
    results = new_pool().map(lambda n: 1 // n, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_an_exception_of_the_arguments_reaches_the_caller(new_pool):
    def arguments():
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(new_pool().map(abs, arguments()))


def test_time_runs_out(new_pool, gate):
    results = new_pool(1).map(gate.job, "ab", timeout=0.02)
    with pytest.raises(TimeoutError):
        list(results)


def test_time_is_enough(new_pool):
    assert list(new_pool().map(abs, [-1, -2], timeout=60)) == [1, 2]


def test_giving_up_cancels_what_waits_in_line(busy_pool, gate):
    pool, seen = busy_pool(), []
    results = pool.map(seen.append, range(5), timeout=0.01)
    with pytest.raises(TimeoutError):
        next(results)
    gate.open()
    pool.shutdown()
    assert seen == []


@pytest.mark.parametrize("chunksize", [1, 2, 100])
def test_chunksize_changes_nothing(new_pool, chunksize):
    assert list(new_pool().map(abs, [-1, -2, -3], chunksize=chunksize)) == [1, 2, 3]


def test_after_shutdown_it_is_refused(new_pool):
    pool = new_pool()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        pool.map(abs, [1])


@pytest.mark.nalsil_pool(BUFFERSIZE)
class TestBufferSize:
    """At most so many results wait to be taken."""

    def test_arguments_may_be_endless(self, new_pool):
        results = new_pool(2).map(abs, itertools.count(), buffersize=3)
        assert list(itertools.islice(results, 100)) == list(range(100))
        results.close()

    def test_arguments_are_taken_as_results_are(self, new_pool):
        taken = []

        def arguments():
            for number in range(10):
                taken.append(number)
                yield number

        results = new_pool(2).map(abs, arguments(), buffersize=3)
        assert taken == [0, 1, 2]
        assert next(results) == 0
        assert taken == [0, 1, 2, 3]
        assert list(results) == list(range(1, 10))
        assert taken == list(range(10))

    def test_larger_than_the_work_changes_nothing(self, new_pool):
        assert list(new_pool().map(abs, [-1, -2], buffersize=100)) == [1, 2]

    def test_none_takes_everything_at_once(self, new_pool):
        taken = []
        new_pool().map(abs, (taken.append(n) or n for n in range(100)), buffersize=None)
        assert len(taken) == 100

    def test_an_exception_ends_it(self, new_pool):
        results = new_pool().map(lambda n: 1 // n, [1, 0, 1, 1], buffersize=2)
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)

    def test_closing_cancels_what_waits_in_line(self, busy_pool, gate):
        pool, seen = busy_pool(), []
        results = pool.map(seen.append, range(100), buffersize=4, timeout=0.01)
        assert pool._work_queue.qsize() == 4
        with pytest.raises(TimeoutError):
            next(results)
        gate.open()
        pool.shutdown()
        assert seen == []

    def test_of_a_pool_that_is_dropped_meanwhile(self, pool_type):
        pool = pool_type(1)
        results = pool.map(abs, range(-3, 0), buffersize=3)
        del pool
        assert list(results) == [3, 2, 1]


def test_many_at_once_through_several_threads(new_pool, in_thread):
    pool = new_pool(4)
    barrier = threading.Barrier(4)

    def total():
        barrier.wait()
        return sum(pool.map(abs, range(-500, 0)))

    totals = [in_thread(total) for _ in range(4)]
    concurrent.futures.wait(totals)
    assert {total.result() for total in totals} == {sum(range(1, 501))}
