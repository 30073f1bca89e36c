"""Work handed to a pool: what is called, where, how often, and what comes back."""

import asyncio
import functools
import threading

import pytest

from .waiting import wait_until


def test_it_is_called_in_another_thread(new_pool):
    assert new_pool().submit(threading.get_ident).result() != threading.get_ident()


def test_arguments_arrive_as_they_were_given(new_pool):
    def work(*args, **kwargs):
        return args, kwargs

    first, second = object(), object()
    args, kwargs = new_pool().submit(work, first, 2, key=second).result()
    assert args == (first, 2)
    assert kwargs == {"key": second}


@pytest.mark.parametrize("name", ["self", "fn", "args", "kwargs", "priority", "timeout", "context"])
def test_every_keyword_belongs_to_the_job(new_pool, name):
    assert new_pool().submit(lambda **kwargs: kwargs, **{name: 1}).result() == {name: 1}


class Adder:
    def __init__(self, base):
        self.base = base

    def __call__(self, other):
        return self.base + other

    def add(self, other):
        return self.base + other

    __hash__ = None


@pytest.mark.parametrize(
    "fn",
    [
        pytest.param(Adder(40), id="an object with __call__, not hashable"),
        pytest.param(Adder(40).add, id="a bound method"),
        pytest.param(functools.partial(lambda a, b: a + b, 40), id="a partial"),
        pytest.param((40).__add__, id="a method of a builtin type"),
        pytest.param(lambda n: sum((40, n)), id="a lambda"),
    ],
)
def test_whatever_can_be_called(new_pool, fn):
    assert new_pool().submit(fn, 2).result() == 42


def test_a_class_may_be_called(new_pool):
    assert new_pool().submit(Adder, 3).result().base == 3


@pytest.mark.parametrize("value", [None, False, (), NotImplemented, ..., ValueError("not raised")])
def test_any_value_may_be_the_result(new_pool, value):
    assert new_pool().submit(lambda: value).result() is value


def test_an_exception_reaches_the_caller_as_it_is(new_pool):
    error = LookupError("mine")

    def work():
        raise error

    future = new_pool().submit(work)
    assert future.exception() is error
    with pytest.raises(LookupError) as caught:
        future.result()
    assert caught.value is error


def test_the_traceback_ends_where_it_was_raised(new_pool):
    def inner():
        raise LookupError("deep")

    def outer():
        inner()

    with pytest.raises(LookupError) as caught:
        new_pool().submit(outer).result()
    assert [entry.name for entry in caught.traceback][-2:] == ["outer", "inner"]


def test_a_chained_exception_keeps_its_cause(new_pool):
    def work():
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    error = new_pool().submit(work).exception()
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, KeyError)


class OwnBaseException(BaseException):
    """A base exception that no library knows."""


@pytest.mark.parametrize(
    "kind",
    [
        KeyboardInterrupt,
        SystemExit,
        GeneratorExit,
        asyncio.CancelledError,
        OwnBaseException,
        StopIteration,
        StopAsyncIteration,
        MemoryError,
        RecursionError,
    ],
)
def test_a_worker_survives_whatever_a_job_raises(new_pool, kind):
    pool = new_pool(1)
    error = kind("from the job")

    def work():
        raise error

    worker = pool.submit(threading.get_ident).result()
    future = pool.submit(work)
    assert future.exception() is error
    assert not future.cancelled()
    assert pool.submit(threading.get_ident).result() == worker


def test_endless_recursion_is_an_error_of_the_job(new_pool):
    def work():
        return work()

    pool = new_pool(1)
    assert isinstance(pool.submit(work).exception(), RecursionError)
    assert pool.submit(int).result() == 0


def test_every_job_is_called_once(new_pool):
    seen = []
    with new_pool(4) as pool:
        futures = [pool.submit(seen.append, number) for number in range(5000)]
    assert all(future.done() for future in futures)
    assert sorted(seen) == list(range(5000))


def test_one_worker_takes_them_in_order(new_pool):
    seen = []
    with new_pool(1) as pool:
        for number in range(1000):
            pool.submit(seen.append, number)
    assert seen == list(range(1000))


@pytest.mark.usefixtures("tiny_switch_interval")
def test_many_threads_may_submit_at_once(new_pool, in_thread):
    pool = new_pool(3)
    barrier = threading.Barrier(6)

    def submit_many(base):
        barrier.wait()
        return [pool.submit(lambda n: n, base + n) for n in range(300)]

    submitters = [in_thread(submit_many, 1000 * number) for number in range(6)]
    for number, submitter in enumerate(submitters):
        results = [future.result() for future in submitter.result()]
        assert results == [1000 * number + n for n in range(300)]


@pytest.mark.usefixtures("tiny_switch_interval")
def test_one_at_a_time_never_loses_a_wake_up(new_pool):
    pool = new_pool(2)
    # A lost wake-up leaves this thread in `result()`, and the hang guard ends the test.
    assert [pool.submit(abs, -number).result() for number in range(3000)] == list(range(3000))


def test_a_job_may_submit(new_pool):
    pool = new_pool(2)
    outer = pool.submit(lambda: pool.submit(lambda: pool.submit(int)))
    assert outer.result().result().result() == 0


def test_thread_locals_stay_with_the_worker(new_pool):
    local = threading.local()

    def count():
        local.count = getattr(local, "count", 0) + 1
        return local.count

    pool = new_pool(1)
    assert [pool.submit(count).result() for _ in range(3)] == [1, 2, 3]


def test_the_end_of_the_with_block_waits_for_every_job(new_pool, in_thread, gate):
    begun, left = threading.Event(), threading.Event()

    def use():
        with new_pool(1) as pool:
            pool.submit(gate.job)
            late = pool.submit(int)
            begun.set()
        left.set()
        return late.done()

    user = in_thread(use)
    begun.wait()
    gate.wait_for()
    assert not left.is_set()
    gate.open()
    assert user.result() is True


class TestInitializer:
    """What each worker calls before its first job."""

    def test_runs_once_in_every_worker_with_its_arguments(self, new_pool, gate):
        seen = []

        def prepare(*args):
            seen.append((threading.get_ident(), args))

        pool = new_pool(3, initializer=prepare, initargs=(1, "two"))
        for _ in range(3):
            pool.submit(gate.job)
        gate.wait_for(3)
        gate.open()
        for _ in range(20):
            pool.submit(int).result()
        assert len({thread for thread, _ in seen}) == len(seen) == 3
        assert {args for _, args in seen} == {(1, "two")}

    def test_runs_in_the_thread_of_the_jobs(self, new_pool):
        local = threading.local()
        pool = new_pool(1, initializer=lambda: setattr(local, "ready", True))
        assert pool.submit(lambda: local.ready).result() is True

    @pytest.mark.parametrize("kind", [ValueError, SystemExit])
    def test_that_raises_breaks_the_pool(self, new_pool, caplog, kind):
        from concurrent.futures.thread import BrokenThreadPool

        go_on = threading.Event()

        def prepare():
            go_on.wait()
            raise kind("no database")

        pool = new_pool(1, initializer=prepare)
        futures = [pool.submit(int) for _ in range(3)]
        go_on.set()
        for future in futures:
            with pytest.raises(BrokenThreadPool, match="initializer"):
                future.result()
        wait_until(lambda: pool._broken)
        with pytest.raises(BrokenThreadPool, match="initializer"):
            pool.submit(int)
        assert "no database" in caplog.text
