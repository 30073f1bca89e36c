"""A caller is woken when its call is over, also by a loop that goes on to something else."""

import asyncio
import threading

import pytest

pytestmark = pytest.mark.nalsil_pool("a portal has nalsil's loop and nalsil's futures")


@pytest.fixture
def portal(module):
    with module.Portal() as portal:
        yield portal


@pytest.fixture
def held(portal):
    """What the loop of the portal is made to wait for; set before that is closed."""
    held = threading.Event()
    yield held
    held.set()


SCHEDULES = {
    "call_soon": lambda loop, fn: loop.call_soon(fn),
    "call_soon_threadsafe": lambda loop, fn: loop.call_soon_threadsafe(fn),
    "a timer that is due": lambda loop, fn: loop.call_later(0, fn),
}


@pytest.mark.parametrize("how", SCHEDULES)
def test_a_call_returns_while_the_next_callback_runs(portal, held, how):
    entered = threading.Event()

    def first():
        loop = asyncio.get_running_loop()
        SCHEDULES[how](loop, lambda: (entered.set(), held.wait()))
        return "first"

    assert portal.call(first) == "first"
    entered.wait()


def test_a_call_returns_while_the_call_of_another_thread_runs(portal, held, in_thread):
    begun, given = threading.Event(), threading.Event()

    def first():
        begun.set()
        given.wait()
        return "first"

    caller = in_thread(portal.call, first)
    begun.wait()
    second = portal.submit(held.wait)
    given.set()
    assert caller.result() == "first"
    held.set()
    assert second.result() is True


def test_a_job_goes_on_while_the_next_callback_runs(module, portal, held):
    went_on = threading.Event()

    def first():
        asyncio.get_running_loop().call_soon(held.wait)
        return "first"

    def job():
        answer = module.from_thread.run_sync(first)
        went_on.set()
        return answer

    outer = portal.submit(module.to_thread, job)
    went_on.wait()
    held.set()
    assert outer.result() == "first"
