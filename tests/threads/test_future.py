"""Futures: what `submit` gives back, made by hand too."""

import concurrent.futures
import copy
import pickle
import re
import sys
import threading
import weakref
from concurrent.futures import CancelledError, InvalidStateError

import pytest

from .waiting import wait_until_asleep

SURVIVES = "a BaseException out of a callback ends the worker"


@pytest.fixture
def future(future_type):
    return future_type()


def test_it_is_one_of_concurrent_futures(new_pool, future, future_type):
    submitted = new_pool().submit(int)
    assert isinstance(submitted, concurrent.futures.Future)
    assert type(submitted) is future_type is type(future)


def states(future):
    return future.running(), future.done(), future.cancelled()


class TestByHand:
    """The life of a future without a pool."""

    def test_from_pending_to_finished(self, future):
        assert states(future) == (False, False, False)
        assert future.set_running_or_notify_cancel() is True
        assert states(future) == (True, False, False)
        future.set_result(5)
        assert states(future) == (False, True, False)
        assert future.result() == 5
        assert future.exception() is None

    def test_with_an_exception(self, future):
        error = LookupError("mine")
        future.set_exception(error)
        assert future.exception() is error
        with pytest.raises(LookupError) as caught:
            future.result()
        assert caught.value is error

    def test_cancelled_while_pending(self, future):
        assert future.cancel() is True
        assert states(future) == (False, True, True)
        assert future.cancel() is True
        assert future.set_running_or_notify_cancel() is False
        for take in (future.result, future.exception):
            with pytest.raises(CancelledError):
                take()

    def test_running_or_done_is_not_cancelled(self, future):
        future.set_running_or_notify_cancel()
        assert future.cancel() is False
        future.set_result(1)
        assert future.cancel() is False
        assert not future.cancelled()

    @pytest.mark.parametrize("settle", ["set_result", "set_exception"])
    def test_is_settled_once(self, future, settle):
        future.set_result(1)
        with pytest.raises(InvalidStateError):
            getattr(future, settle)(ValueError())
        assert future.result() == 1

    def test_cancelled_takes_no_result(self, future):
        future.cancel()
        with pytest.raises(InvalidStateError):
            future.set_result(1)

    @pytest.mark.usefixtures("caplog")
    def test_runs_once(self, future):
        future.set_running_or_notify_cancel()
        with pytest.raises(RuntimeError):
            future.set_running_or_notify_cancel()

    @pytest.mark.parametrize("seconds", [0, 0.01, -1])
    def test_time_runs_out(self, future, seconds):
        with pytest.raises(TimeoutError):
            future.result(timeout=seconds)
        with pytest.raises(concurrent.futures.TimeoutError):
            future.exception(seconds)

    def test_a_waiter_is_woken_by_the_result(self, future, in_thread):
        waiters = [in_thread(future.result) for _ in range(3)]
        for thread in in_thread.threads:
            wait_until_asleep(thread)
        future.set_result("woken")
        assert [waiter.result() for waiter in waiters] == ["woken"] * 3

    def test_a_waiter_is_woken_by_cancelling(self, future, in_thread):
        waiter = in_thread(future.exception)
        wait_until_asleep(in_thread.threads[0])
        future.cancel()
        with pytest.raises(CancelledError):
            waiter.result()


def settled(future, how):
    match how:
        case "running":
            future.set_running_or_notify_cancel()
        case "cancelled":
            future.cancel()
        case "returned":
            future.set_result([])
        case "raised":
            future.set_exception(KeyError())
    return future


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("pending", "pending"),
        ("running", "running"),
        ("cancelled", "cancelled"),
        ("returned", "finished returned list"),
        ("raised", "finished raised KeyError"),
    ],
)
def test_its_text_tells_the_state(future, how, text):
    shown = repr(settled(future, how))
    assert re.fullmatch(rf"<Future at 0x[0-9a-f]+ state={text}>", shown)


def test_it_cannot_be_pickled(future):
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(future)


def test_it_cannot_be_copied_deeply(future):
    with pytest.raises(TypeError, match="cannot pickle"):
        copy.deepcopy(future)


def test_it_is_what_it_is(future, future_type):
    other = future_type()
    assert future == future
    assert future != other
    assert len({future, other, future}) == 2


def test_it_takes_weak_references_and_attributes(future):
    future.note = "mine"
    assert weakref.ref(future)() is future
    assert future.note == "mine"


def test_it_can_be_subclassed(future_type):
    class Own(future_type):
        def result(self, timeout=None):
            return ("own", super().result(timeout))

    future = Own()
    future.set_result(1)
    assert future.result() == ("own", 1)


def test_its_type_takes_a_parameter(future_type):
    assert future_type[int].__origin__ is future_type


class TestCallbacks:
    """`add_done_callback`"""

    def test_are_called_in_order_with_the_future(self, future):
        seen = []
        for number in range(5):
            future.add_done_callback(lambda done, number=number: seen.append((number, done)))
        assert seen == []
        future.set_result(1)
        assert seen == [(number, future) for number in range(5)]

    @pytest.mark.parametrize("how", ["returned", "raised", "cancelled"])
    def test_are_called_at_once_when_it_is_done(self, future, how):
        settled(future, how)
        seen = []
        future.add_done_callback(seen.append)
        assert seen == [future]

    def test_the_same_one_twice_is_called_twice(self, future):
        seen = []
        future.add_done_callback(seen.append)
        future.add_done_callback(seen.append)
        future.cancel()
        assert seen == [future, future]

    def test_added_by_a_callback_are_called(self, future):
        seen = []
        future.add_done_callback(lambda done: done.add_done_callback(seen.append))
        future.set_result(1)
        assert seen == [future]

    def test_see_it_done(self, future):
        seen = []
        future.add_done_callback(lambda done: seen.append(done.result(timeout=0)))
        future.set_result("done")
        assert seen == ["done"]

    def test_run_in_the_worker_that_did_the_job(self, new_pool, gate):
        pool, seen = new_pool(1), []
        called = threading.Event()
        future = pool.submit(lambda: gate.job() or threading.get_ident())
        future.add_done_callback(lambda _: (seen.append(threading.get_ident()), called.set()))
        gate.open()
        called.wait()
        assert seen == [future.result()]

    def test_run_in_the_thread_that_cancels(self, busy_pool):
        seen = []
        future = busy_pool().submit(int)
        future.add_done_callback(lambda _: seen.append(threading.get_ident()))
        future.cancel()
        assert seen == [threading.get_ident()]

    def test_that_raise_are_logged_and_the_others_are_called(self, future, caplog):
        seen = []
        future.add_done_callback(lambda _: 1 // 0)
        future.add_done_callback(seen.append)
        future.set_result(1)
        assert seen == [future]
        (record,) = caplog.records
        assert record.name == "concurrent.futures"
        assert record.exc_info[0] is ZeroDivisionError

    @pytest.mark.nalsil_pool(SURVIVES)
    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_that_raise_a_base_exception_leave_the_worker_alive(self, new_pool, gate, caplog, kind):
        def fail(_):
            raise kind("from the callback")

        pool, seen = new_pool(1), threading.Event()
        future = pool.submit(gate.job)
        future.add_done_callback(fail)
        future.add_done_callback(lambda _: seen.set())
        gate.wait_for()
        (worker,) = pool._threads
        gate.open()
        seen.wait()
        assert pool.submit(threading.get_ident).result() == worker.ident
        assert [record.name for record in caplog.records] == ["concurrent.futures"]
        assert caplog.records[0].exc_info[0] is kind

    @pytest.mark.usefixtures("tiny_switch_interval")
    def test_added_while_it_completes_are_called_once(self, new_pool):
        pool = new_pool(2)
        for _ in range(300):
            seen = []
            future = pool.submit(int)
            for number in range(10):
                future.add_done_callback(lambda _, number=number, seen=seen: seen.append(number))
            future.result()
            # The worker calls what was there when it was done; the rest was called right here.
            pool.submit(int).result()
            pool.submit(int).result()
            while len(seen) < 10:
                threading.Event().wait(0.001)
            assert sorted(seen) == list(range(10))


@pytest.mark.usefixtures("tiny_switch_interval")
class TestRaces:
    """A future that is cancelled just as its job begins."""

    def test_either_it_runs_or_it_is_cancelled(self, new_pool):
        pool = new_pool(2)
        for _ in range(500):
            ran = []
            future = pool.submit(ran.append, 1)
            cancelled = future.cancel()
            concurrent.futures.wait([future])
            assert future.cancelled() is cancelled
            assert len(ran) == (0 if cancelled else 1)

    def test_of_many_that_cancel_all_are_told_the_same(self, new_pool, in_thread):
        for _ in range(30):
            pool = new_pool(1)
            barrier = threading.Barrier(4)
            future = pool.submit(barrier.wait)
            queued = pool.submit(int)

            def cancel(queued=queued, barrier=barrier):
                barrier.wait()
                return queued.cancel()

            answers = {in_thread(cancel) for _ in range(3)}
            concurrent.futures.wait([*answers, future, queued])
            assert {answer.result() for answer in answers} == {queued.cancelled()}
            pool.shutdown()


def test_cancelled_in_line_it_never_runs(busy_pool, gate):
    pool, seen = busy_pool(), []
    future = pool.submit(seen.append, 1)
    assert future.cancel()
    assert future.cancelled()
    gate.open()
    pool.shutdown()
    assert seen == []


def test_a_running_job_is_not_cancelled(new_pool, gate):
    future = new_pool(1).submit(gate.job, 5)
    gate.wait_for()
    assert future.running()
    assert future.cancel() is False
    gate.open()
    assert future.result() == 5


def test_time_runs_out_while_the_job_goes_on(new_pool, gate):
    future = new_pool(1).submit(gate.job, 5)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.01)
    gate.open()
    assert future.result(timeout=60) == 5


def test_a_result_is_given_as_often_as_it_is_asked_for(new_pool):
    future = new_pool().submit(list)
    assert future.result() is future.result()


def test_an_exception_is_raised_as_often_as_it_is_asked_for(new_pool):
    future = new_pool().submit(int, "spam")
    for _ in range(3):
        with pytest.raises(ValueError, match="invalid literal"):
            future.result()


def test_what_it_drops_when_it_is_done_may_look_at_it(future):
    seen = []

    class Curious:
        def __del__(self):
            seen.append(future.done())

    future._result = Curious()
    future.set_result(1)
    assert len(seen) == 1
    assert future.result() == 1


@pytest.mark.nalsil_pool("those who wait are never woken")
def test_a_waiter_that_raises_keeps_nobody_from_waking(future, in_thread, monkeypatch):
    class Broken:
        def add_result(self, future):
            raise LookupError("of the waiter")

    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_value))
    waiter = in_thread(future.result)
    wait_until_asleep(in_thread.threads[-1])
    future._waiters.append(Broken())
    future.set_result(1)
    assert waiter.result() == 1
    assert [str(error) for error in told] == ["of the waiter"]
