"""`nalsil.Portal`: a loop in a background thread, for programs that have none."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import threading
import time
import weakref

import pytest

from .waiting import wait_until, wait_until_asleep

pytestmark = pytest.mark.nalsil_pool("a portal has nalsil's loop and nalsil's futures")


@pytest.fixture
def portal(module):
    with module.Portal() as portal:
        yield portal


async def add(left, right):
    await asyncio.sleep(0)
    return left + right


def test_a_function_is_called_in_the_thread_of_the_loop(portal):
    thread = portal.call(threading.current_thread)
    assert thread is not threading.current_thread()
    assert thread.name == "nalsil-portal"
    assert portal.call(asyncio.get_running_loop) is portal.loop


def test_a_coroutine_runs_as_a_task(portal):
    assert portal.call(add, 40, 2) == 42

    async def ask():
        return asyncio.current_task()

    assert isinstance(portal.call(ask), asyncio.Task)


def test_its_loop_is_nalsils(module, portal):
    assert isinstance(portal.loop, module.EventLoop)
    assert portal.loop.is_running()


def test_it_may_have_a_name_and_debug_mode(module):
    with module.Portal(name="weaver", debug=True) as portal:
        assert portal.call(threading.current_thread).name == "weaver"
        assert portal.loop.get_debug() is True


def test_exceptions_reach_the_caller(portal):
    def fail():
        raise LookupError("of the function")

    async def fail_later():
        await asyncio.sleep(0)
        raise LookupError("of the task")

    with pytest.raises(LookupError, match="of the function"):
        portal.call(fail)
    with pytest.raises(LookupError, match="of the task"):
        portal.call(fail_later)
    assert portal.call(int) == 0


def test_submit_gives_a_future_at_once(module, portal):
    release = portal.call(asyncio.Event)
    future = portal.submit(release.wait)
    assert isinstance(future, module.Future)
    assert not future.done()
    portal.call(release.set)
    assert future.result() is True


def test_cancelling_the_future_cancels_the_task(portal):
    begun, ended = threading.Event(), concurrent.futures.Future()

    async def wait():
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.set_result("cancelled")
            raise

    future = portal.submit(wait)
    begun.wait()
    future.cancel()
    assert ended.result() == "cancelled"
    with pytest.raises((asyncio.CancelledError, concurrent.futures.CancelledError)):
        future.result()


def test_cancelled_before_it_began_it_never_runs(portal):
    held, release, seen = threading.Event(), threading.Event(), []
    portal.submit(lambda: (held.set(), release.wait()))
    held.wait()
    future = portal.submit(seen.append, 1)
    assert future.cancel()
    release.set()
    assert portal.call(len, seen) == 0


def test_calls_keep_their_order(portal):
    seen = []
    for number in range(500):
        portal.submit(seen.append, number)
    portal.call(int)
    assert seen == list(range(500))


@pytest.mark.usefixtures("tiny_switch_interval")
def test_many_threads_may_call(portal, in_thread):
    def call_many(base):
        return [portal.call(add, base, number) for number in range(100)]

    callers = [in_thread(call_many, 1000 * number) for number in range(5)]
    for number, caller in enumerate(callers):
        assert caller.result() == [1000 * number + n for n in range(100)]


def test_context_of_the_caller_goes_in(portal):
    variable = contextvars.ContextVar("variable", default="unset")

    async def get():
        return variable.get()

    variable.set("caller")
    assert portal.call(variable.get) == "caller"
    assert portal.call(get) == "caller"


def test_a_job_of_its_loop_may_call_back(module, portal):
    async def ask():
        return await module.to_thread(module.from_thread.run, add, 1, 2)

    assert portal.call(ask) == 3


def test_a_job_of_a_pool_may_call(portal, new_pool):
    pool = new_pool(3)
    assert list(pool.map(lambda number: portal.call(add, number, 1), range(50))) == list(
        range(1, 51)
    )


def test_it_takes_calls_from_start_to_close(module):
    portal = module.Portal()
    with pytest.raises(RuntimeError, match="hint: "):
        portal.call(int)
    portal.start()
    try:
        assert portal.call(int) == 0
        with pytest.raises(RuntimeError, match="hint: "):
            portal.start()
        assert portal.call(int) == 0
    finally:
        portal.close()


class TestClose:
    """The end of a portal."""

    def test_ends_the_thread_and_the_loop(self, module):
        before = threading.active_count()
        portal = module.Portal()
        portal.start()
        loop = portal.loop
        assert threading.active_count() == before + 1
        portal.close()
        assert threading.active_count() == before
        assert loop.is_closed()

    def test_then_calls_are_refused(self, module):
        with module.Portal() as portal:
            pass
        for use in (portal.call, portal.submit):
            with pytest.raises(RuntimeError, match=r"closed.*hint: "):
                use(int)

    def test_may_be_repeated(self, module):
        with module.Portal() as portal:
            portal.close()
        portal.close()

    def test_waits_for_running_tasks(self, module, in_thread):
        portal = module.Portal()
        portal.start()
        release = portal.call(asyncio.Event)
        future = portal.submit(release.wait)
        loop = portal.loop
        closer = in_thread(portal.close)
        wait_until_asleep(in_thread.threads[0])
        assert not closer.done()
        loop.call_soon_threadsafe(release.set)
        closer.result()
        assert future.result() is True

    def test_cancels_them_if_asked_to(self, module):
        portal = module.Portal()
        portal.start()
        futures = [portal.submit(asyncio.sleep, 3600) for _ in range(5)]
        portal.close(cancel_pending=True)
        for future in futures:
            with pytest.raises((asyncio.CancelledError, concurrent.futures.CancelledError)):
                future.result()

    def test_lets_cancelled_tasks_clean_up(self, module):
        portal, seen = module.Portal(), []

        async def wait():
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0)
                seen.append("cleaned up")

        portal.start()
        portal.submit(wait)
        portal.call(asyncio.sleep, 0)
        portal.close(cancel_pending=True)
        assert seen == ["cleaned up"]

    def test_ends_generators_and_workers(self, module):
        before, seen = threading.active_count(), []

        async def numbers():
            try:
                yield 1
            finally:
                seen.append("closed")

        async def use(generator):
            await asyncio.to_thread(int)
            return await anext(generator)

        with module.Portal() as portal:
            generator = numbers()
            assert portal.call(use, generator) == 1
        assert seen == ["closed"]
        wait_until(lambda: threading.active_count() == before)

    def test_with_an_exception_the_with_block_ends_too(self, module):
        portal = module.Portal()
        with contextlib.suppress(LookupError), portal:
            loop = portal.loop
            raise LookupError
        assert loop.is_closed()

    def test_lets_go_of_what_was_called(self, module):
        class Thing:
            """Something a weak reference can point at."""

        with module.Portal() as portal:
            thing = Thing()
            reference = weakref.ref(thing)
            portal.call(id, thing)
            del thing
            wait_until(lambda: reference() is None)


def test_a_call_from_its_own_loop_is_refused(portal):
    async def ask():
        portal.call(int)

    for inside in (lambda: portal.call(int), ask):
        with pytest.raises(RuntimeError, match=r"hint: .*await"):
            portal.call(inside)


def test_submitting_from_its_own_loop_is_fine(portal):
    async def ask():
        return await asyncio.wrap_future(portal.submit(add, 1, 2))

    assert portal.call(ask) == 3


def test_two_portals_may_call_one_another(module):
    with module.Portal(name="first") as first, module.Portal(name="second") as second:
        thread = first.call(second.call, threading.current_thread)
        assert thread.name == "second"


def test_a_caller_whose_time_runs_out_may_go_on(portal):
    release = portal.call(asyncio.Event)
    with pytest.raises(TimeoutError):
        portal.submit(release.wait).result(timeout=0.01)
    portal.call(release.set)
    assert portal.call(int) == 0


def test_an_idle_portal_uses_no_cpu(portal):
    thread = portal.call(threading.current_thread)
    clock = time.pthread_getcpuclockid(thread.ident)
    before = time.clock_gettime(clock)
    threading.Event().wait(0.3)
    assert time.clock_gettime(clock) - before < 0.02


def test_debug_mode_tells_of_a_slow_call(module, caplog):
    with module.Portal(debug=True) as portal:
        portal.loop.slow_callback_duration = 0
        portal.call(int)
    assert any(
        "int" in record.getMessage() and "took" in record.getMessage() for record in caplog.records
    )
