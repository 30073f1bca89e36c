"""What nobody refers to any more goes away, also out of reference cycles."""

import asyncio
import gc
import weakref

import pytest


class Thing:
    """Something a weak reference can point at."""

    def method(self):
        return None


def is_gone(reference):
    gc.collect()
    return reference() is None


def test_a_closed_loop_goes_away(new_loop):
    loop = type(new_loop())()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    reference = weakref.ref(loop)
    del loop
    assert is_gone(reference)


def test_a_closed_loop_in_a_cycle_goes_away(new_loop):
    loop = type(new_loop())()
    thing = Thing()
    thing.loop = loop
    loop.set_exception_handler(lambda _loop, _context, _kept=thing: None)
    loop.set_task_factory(lambda loop, coro, _kept=thing, **kw: asyncio.Task(coro, loop=loop, **kw))
    loop.close()
    reference = weakref.ref(thing)
    del loop, thing
    assert is_gone(reference)


@pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning")
def test_an_open_loop_goes_away_with_its_callbacks_and_timers(new_loop):
    loop = type(new_loop())()
    things = [Thing() for _ in range(3)]
    references = [weakref.ref(thing) for thing in things]
    for thing in things:
        thing.loop = loop
    loop.call_soon(things[0].method)
    loop.call_later(3600, things[1].method)
    loop.call_soon_threadsafe(things[2].method)
    del loop, things, thing
    assert all(is_gone(reference) for reference in references)


def test_closing_lets_go_of_callbacks_and_timers(loop):
    things = [Thing() for _ in range(3)]
    references = [weakref.ref(thing) for thing in things]
    loop.call_soon(things[0].method)
    loop.call_later(3600, things[1].method)
    loop.call_soon_threadsafe(things[2].method)
    del things
    gc.collect()
    assert all(reference() is not None for reference in references)
    loop.close()
    assert all(is_gone(reference) for reference in references)


@pytest.mark.parametrize("schedule", ["call_soon", "call_soon_threadsafe", "call_later"])
def test_a_callback_that_has_run_is_let_go(loop, schedule):
    thing = Thing()
    reference = weakref.ref(thing)
    before = (0,) if schedule == "call_later" else ()
    getattr(loop, schedule)(*before, thing.method)
    del thing
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert is_gone(reference)


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_cancelling_lets_go_of_callback_and_arguments_at_once(loop, schedule):
    thing, argument = Thing(), Thing()
    references = [weakref.ref(thing), weakref.ref(argument)]
    before = (3600,) if schedule == "call_later" else ()
    handle = getattr(loop, schedule)(*before, lambda _, kept=thing: None, argument)
    del thing, argument
    handle.cancel()
    assert [reference() for reference in references] == [None, None]


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_a_handle_in_a_cycle_with_its_callback_goes_away(loop, schedule):
    thing = Thing()
    before = (0,) if schedule == "call_later" else ()
    thing.handle = getattr(loop, schedule)(*before, thing.method)
    reference = weakref.ref(thing)
    del thing
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert is_gone(reference)


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_handles_take_weak_references(loop, schedule):
    before = (3600,) if schedule == "call_later" else ()
    handle = getattr(loop, schedule)(*before, print)
    reference = weakref.ref(handle)
    assert reference() is handle
    handle.cancel()
    loop.close()
    del handle
    assert is_gone(reference)


def test_a_cancelled_timer_in_a_cycle_goes_away(loop):
    thing = Thing()
    thing.handle = loop.call_later(3600, thing.method)
    thing.handle.cancel()
    reference = weakref.ref(thing)
    del thing
    assert is_gone(reference)


def test_a_finished_task_goes_away(loop):
    async def main():
        task = asyncio.ensure_future(asyncio.sleep(0))
        await task
        return weakref.ref(task)

    assert is_gone(loop.run_until_complete(main()))


def test_a_removed_reader_is_let_go(loop):
    import socket

    left, right = socket.socketpair()
    with left, right:
        thing = Thing()
        reference = weakref.ref(thing)
        loop.add_reader(left, thing.method)
        loop.add_writer(left, thing.method)
        del thing
        assert not is_gone(reference)
        loop.remove_reader(left)
        loop.remove_writer(left)
        assert is_gone(reference)


def test_closing_lets_go_of_readers_and_signal_handlers(loop):
    import signal
    import socket

    left, right = socket.socketpair()
    with left, right:
        thing = Thing()
        reference = weakref.ref(thing)
        loop.add_reader(left, thing.method)
        loop.add_signal_handler(signal.SIGUSR1, thing.method)
        del thing
        loop.close()
        assert is_gone(reference)


def test_the_loop_keeps_a_task_only_while_it_is_scheduled(loop):
    async def wait_for_nothing(future):
        await future

    async def main():
        future = loop.create_future()
        task = loop.create_task(wait_for_nothing(future))
        await asyncio.sleep(0)
        reference = weakref.ref(task)
        # Only the task refers to the future, and only the future to the task.
        loop.set_exception_handler(lambda *_: None)
        del task, future
        return reference

    assert is_gone(loop.run_until_complete(main()))
