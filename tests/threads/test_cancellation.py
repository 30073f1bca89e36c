"""Jobs that are told that their caller has cancelled: `check_cancelled`."""

import asyncio
import concurrent.futures
import threading

import pytest

from .waiting import wait_until

pytestmark = pytest.mark.nalsil_pool("a running job cannot be told")


@pytest.fixture
def check_cancelled(module):
    return module.check_cancelled


@pytest.fixture
def is_cancelled(check_cancelled):
    """Whether the job it is called in is cancelled."""

    def ask():
        try:
            check_cancelled()
        except asyncio.CancelledError:
            return True
        return False

    return ask


def test_a_job_nobody_cancels_goes_on(new_pool, check_cancelled):
    assert new_pool().submit(check_cancelled).result() is None


def test_cancelling_a_running_job_tells_it(new_pool, is_cancelled, gate):
    future = new_pool(1).submit(lambda: (is_cancelled(), gate.job(), is_cancelled()))
    gate.wait_for()
    assert future.cancel() is False
    assert not future.cancelled()
    gate.open()
    assert future.result() == (False, None, True)


def test_a_job_that_gives_up_is_not_cancelled_but_failed(new_pool, check_cancelled, gate):
    future = new_pool(1).submit(lambda: gate.job() or check_cancelled())
    gate.wait_for()
    future.cancel()
    gate.open()
    assert isinstance(future.exception(), asyncio.CancelledError)
    assert not future.cancelled()


def test_a_job_that_looks_again_and_again_ends_soon(new_pool, check_cancelled):
    begun = threading.Event()

    def work():
        begun.set()
        while True:
            check_cancelled()

    future = new_pool(1).submit(work)
    begun.wait()
    future.cancel()
    assert isinstance(future.exception(), asyncio.CancelledError)


def test_it_is_told_as_often_as_it_asks(new_pool, is_cancelled, gate):
    future = new_pool(1).submit(lambda: gate.job([]) + [is_cancelled() for _ in range(3)])
    gate.wait_for()
    future.cancel()
    gate.open()
    assert future.result() == [True, True, True]


def test_the_next_job_of_the_worker_is_not_told(new_pool, is_cancelled, gate):
    pool = new_pool(1)
    future = pool.submit(gate.job)
    gate.wait_for()
    future.cancel()
    following = pool.submit(is_cancelled)
    gate.open()
    assert following.result() is False


def test_a_job_that_is_run_while_another_waits_has_its_own(new_pool, is_cancelled, gate):
    pool = new_pool(1)

    def outer():
        gate.job()
        inner = pool.submit(is_cancelled).result()
        return is_cancelled(), inner

    future = pool.submit(outer)
    gate.wait_for()
    future.cancel()
    gate.open()
    assert future.result() == (True, False)


def test_a_future_cancelled_in_line_never_begins(busy_pool, check_cancelled, gate):
    pool, seen = busy_pool(), []
    future = pool.submit(lambda: seen.append(check_cancelled()))
    assert future.cancel() is True
    gate.open()
    pool.shutdown()
    assert seen == []


def test_shutdown_tells_nobody(new_pool, is_cancelled, gate):
    pool = new_pool(1)
    future = pool.submit(lambda: gate.job() or is_cancelled())
    gate.wait_for()
    pool.shutdown(wait=False, cancel_futures=True)
    gate.open()
    assert future.result() is False


@pytest.mark.parametrize("place", ["main thread", "plain thread", "job of a stock pool"])
def test_outside_of_a_job_it_is_an_error(check_cancelled, in_thread, place):
    def ask():
        with pytest.raises(RuntimeError, match="hint: "):
            check_cancelled()

    match place:
        case "main thread":
            ask()
        case "plain thread":
            in_thread(ask).result()
        case "job of a stock pool":
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                pool.submit(ask).result()


def test_in_a_thread_that_a_job_starts_it_is_an_error(new_pool, in_thread, check_cancelled):
    error = new_pool().submit(lambda: in_thread(check_cancelled).exception()).result()
    assert isinstance(error, RuntimeError)


def test_in_a_done_callback_it_is_an_error(new_pool, check_cancelled, gate):
    seen = []

    def ask(_):
        try:
            check_cancelled()
        except RuntimeError as error:
            seen.append(error)

    future = new_pool(1).submit(gate.job)
    future.add_done_callback(ask)
    gate.open()
    wait_until(lambda: seen)


def test_the_job_of_a_cancelled_future_of_a_loop_is_told(run, loop, new_pool, is_cancelled, gate):
    answer = concurrent.futures.Future()
    pool = new_pool(1)

    async def main():
        future = loop.run_in_executor(pool, lambda: answer.set_result(gate.job() or is_cancelled()))
        await asyncio.to_thread(gate.wait_for)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future

    run(main())
    gate.open()
    assert answer.result() is True
