"""What a job used is let go when it is over, at once and without the garbage collector."""

import asyncio
import contextvars
import gc
import sys
import weakref

import pytest

from .waiting import Gate, wait_until


@pytest.fixture(autouse=True)
def without_the_collector():
    """Only reference counts free things, so that a cycle shows."""
    gc.disable()
    yield
    gc.enable()


class Thing:
    """Something a weak reference can point at, that can be called."""

    def __call__(self, *args, **kwargs):
        return Thing()


def gone(*references):
    """Wait until they are: the worker may still be leaving the job."""
    wait_until(lambda: not any(reference() for reference in references))


def test_function_and_arguments_are_let_go_while_the_future_is_kept(new_pool):
    fn, positional, keyword = Thing(), Thing(), Thing()
    references = [weakref.ref(thing) for thing in (fn, positional, keyword)]
    future = new_pool(1).submit(fn, positional, key=keyword)
    del fn, positional, keyword
    future.result()
    gone(*references)


def test_the_result_goes_with_the_future(new_pool):
    future = new_pool(1).submit(Thing)
    reference = weakref.ref(future.result())
    assert reference() is not None
    del future
    gone(reference)


def test_the_future_goes_when_it_is_dropped(new_pool):
    future = new_pool(1).submit(int)
    future.result()
    reference = weakref.ref(future)
    del future
    gone(reference)


class Failure(Exception):
    """An exception a weak reference can point at."""


def test_the_exception_goes_with_the_future(new_pool):
    def fail(thing):
        raise Failure

    thing = Thing()
    future = new_pool(1).submit(fail, thing)
    references = [weakref.ref(thing), weakref.ref(future.exception())]
    del future, thing
    gone(*references)


def test_an_exception_that_was_raised_goes_with_the_future(new_pool):
    def fail():
        raise Failure

    future = new_pool(1).submit(fail)
    references = [weakref.ref(future)]
    try:
        future.result()
    except Failure as error:
        references.append(weakref.ref(error))
    del future
    gone(*references)


def test_a_callback_goes_with_the_future(new_pool):
    future, callback = new_pool(1).submit(int), Thing()
    future.add_done_callback(callback)
    reference = weakref.ref(callback)
    del callback
    future.result()
    del future
    gone(reference)


def test_a_cancelled_job_is_let_go(busy_pool, gate):
    pool, fn, argument = busy_pool(), Thing(), Thing()
    references = [weakref.ref(fn), weakref.ref(argument)]
    future = pool.submit(fn, argument)
    del fn, argument
    future.cancel()
    del future
    gate.open()
    pool.submit(int).result()
    gone(*references)


def test_jobs_cancelled_by_shutdown_are_let_go(busy_pool, gate):
    pool, fn = busy_pool(), Thing()
    reference = weakref.ref(fn)
    pool.submit(fn)
    del fn
    pool.shutdown(wait=False, cancel_futures=True)
    gone(reference)


def test_a_job_whose_future_was_dropped_still_runs(busy_pool, gate):
    pool, seen = busy_pool(), []
    pool.submit(seen.append, 1)
    gate.open()
    pool.shutdown()
    assert seen == [1]


def test_a_pool_that_was_shut_down_goes(pool_type):
    pool = pool_type(1, initializer=Thing())
    pool.submit(int).result()
    pool.shutdown()
    reference = weakref.ref(pool)
    del pool
    assert reference() is None


def test_the_initializer_goes_with_the_pool(pool_type):
    initializer, argument = Thing(), Thing()
    references = [weakref.ref(initializer), weakref.ref(argument)]
    pool = pool_type(1, initializer=initializer, initargs=(argument,))
    pool.submit(int).result()
    del initializer, argument
    pool.shutdown()
    del pool
    gone(*references)


@pytest.mark.nalsil_pool("jobs run in the worker's own context")
def test_the_context_of_a_job_is_let_go(new_pool):
    variable = contextvars.ContextVar("variable")
    context, thing = contextvars.Context(), Thing()
    reference = weakref.ref(thing)
    pool = new_pool(1)
    context.run(variable.set, thing)
    context.run(pool.submit, int).result()
    del context, thing
    gone(reference)


def test_awaited_jobs_are_let_go(each_loop, new_pool):
    pool, fn = new_pool(1), Thing()
    references = [weakref.ref(fn)]

    async def main(fn):
        references.append(weakref.ref(await each_loop.run_in_executor(pool, fn)))

    each_loop.run_until_complete(main(fn))
    del fn
    gone(*references)


def test_abandoned_jobs_are_let_go(each_loop, new_pool, gate):
    pool, thing = new_pool(1), Thing()
    reference = weakref.ref(thing)

    async def main(thing):
        future = each_loop.run_in_executor(pool, gate.job, thing)
        await asyncio.to_thread(gate.wait_for)
        future.cancel()

    async def until_gone():
        while reference():
            await asyncio.sleep(0.001)

    each_loop.run_until_complete(main(thing))
    del thing
    gate.open()
    each_loop.run_until_complete(until_gone())


def returning(pool, count):
    [future.result() for future in [pool.submit(Thing) for _ in range(count)]]


def raising(pool, count):
    [future.exception() for future in [pool.submit(int, "x") for _ in range(count)]]


def cancelled(pool, count):
    gate = Gate()
    pool.submit(gate.job)
    gate.wait_for()
    assert all(pool.submit(Thing).cancel() for _ in range(count))
    gate.open()


@pytest.mark.parametrize("work", [returning, raising, cancelled])
def test_many_jobs_leave_no_memory_behind(new_pool, work):
    pool = new_pool(1)

    def blocks_after(count):
        work(pool, count)
        # The stock pool keeps cancelled jobs in line until a worker comes to them.
        pool.submit(int).result()
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks_after(1000)
    assert blocks_after(3000) - before < 600


def test_many_awaited_jobs_leave_no_memory_behind(each_loop, new_pool):
    pool = new_pool(1)

    async def work(count):
        await asyncio.gather(*(each_loop.run_in_executor(pool, Thing) for _ in range(count)))

    def blocks_after(count):
        each_loop.run_until_complete(work(count))
        gc.collect()
        return sys.getallocatedblocks()

    before = blocks_after(1000)
    assert blocks_after(3000) - before < 600


def test_reference_counts_are_as_before(new_pool):
    pool, fn, argument = new_pool(1), Thing(), Thing()
    before = sys.getrefcount(fn), sys.getrefcount(argument)
    for _ in range(100):
        pool.submit(fn, argument, key=argument).result()
    wait_until(lambda: (sys.getrefcount(fn), sys.getrefcount(argument)) == before)
