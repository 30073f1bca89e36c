"""`Handle` and `TimerHandle`: what call_soon, call_later and call_at give back."""

import asyncio
import contextvars

import pytest


def named(*_args):
    return None


def test_their_classes_are_asyncios(loop):
    assert isinstance(loop.call_soon(named), asyncio.Handle)
    assert isinstance(loop.call_soon_threadsafe(named), asyncio.Handle)
    assert isinstance(loop.call_later(1, named), asyncio.TimerHandle)
    assert isinstance(loop.call_at(loop.time(), named), asyncio.TimerHandle)
    assert isinstance(loop.call_later(1, named), asyncio.Handle)
    assert not isinstance(loop.call_soon(named), asyncio.TimerHandle)


@pytest.mark.parametrize("kind", ["soon", "later"])
def test_cancel_is_seen_and_may_be_repeated(loop, kind):
    handle = loop.call_soon(named) if kind == "soon" else loop.call_later(1, named)
    assert handle.cancelled() is False
    assert handle.cancel() is None
    assert handle.cancelled() is True
    handle.cancel()
    assert handle.cancelled() is True


def test_cancel_after_the_run_is_nothing(loop):
    seen = []
    handle = loop.call_soon(seen.append, 1)
    timer = loop.call_later(0, seen.append, 2)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert not handle.cancelled()
    assert not timer.cancelled()
    handle.cancel()
    timer.cancel()
    assert handle.cancelled()
    assert timer.cancelled()
    assert seen == [1, 2]


def test_when_is_the_time_asked_for(loop):
    when = loop.time() + 12.345
    assert loop.call_at(when, named).when() == when
    before = loop.time()
    timer = loop.call_later(10, named)
    assert before + 10 <= timer.when() <= loop.time() + 10


def test_when_of_a_whole_number_is_that_number(loop):
    assert loop.call_at(10**6, named).when() == 10**6


@pytest.mark.stock_since(3, 12)
def test_get_context_gives_the_context(loop):
    context = contextvars.copy_context()
    assert loop.call_soon(named, context=context).get_context() is context
    assert loop.call_later(1, named, context=context).get_context() is context
    assert isinstance(loop.call_soon(named).get_context(), contextvars.Context)


def test_repr_names_the_callback(loop):
    assert "named" in repr(loop.call_soon(named))
    assert "named" in repr(loop.call_later(1, named))
    assert repr(loop.call_soon(named)).startswith("<Handle ")
    assert repr(loop.call_later(1, named)).startswith("<TimerHandle ")


def test_repr_of_a_timer_tells_when(loop):
    timer = loop.call_at(1234.5, named)
    assert "when=1234.5" in repr(timer)
    timer.cancel()
    assert "cancelled" in repr(timer)


def test_repr_of_a_cancelled_handle_says_so_and_forgets_the_callback(loop):
    loop.set_debug(False)
    handle = loop.call_soon(named)
    handle.cancel()
    assert repr(handle) == "<Handle cancelled>"


def test_repr_in_debug_mode_keeps_the_callback_and_tells_where(loop):
    loop.set_debug(True)
    handle = loop.call_soon(named, 123)
    handle.cancel()
    assert "cancelled" in repr(handle)
    assert "named" in repr(handle)
    assert "created at" in repr(handle)
    assert "test_handles.py" in repr(handle)


class TestComparison:
    """Timers compare by their time."""

    def test_orders_by_time(self, loop):
        base = loop.time() + 100
        early, late = loop.call_at(base, named), loop.call_at(base + 1, named)
        assert early < late
        assert early <= late
        assert late > early
        assert late >= early
        assert not late < early
        assert not early > late
        assert sorted([late, early]) == [early, late]

    def test_equal_timers_are_of_one_time_callback_and_arguments(self, loop):
        when = loop.time() + 100
        one, same = loop.call_at(when, named, 1), loop.call_at(when, named, 1)
        assert one == same
        assert one <= same
        assert one >= same
        assert not one < same
        assert one != loop.call_at(when, named, 2)
        assert one != loop.call_at(when, print, 1)
        assert one != loop.call_at(when + 1, named, 1)

    def test_a_cancelled_timer_differs_from_a_live_one(self, loop):
        when = loop.time() + 100
        one, other = loop.call_at(when, named), loop.call_at(when, named)
        one.cancel()
        assert one != other

    def test_other_things_are_neither_equal_nor_ordered(self, loop):
        timer = loop.call_later(1, named)
        assert timer != 1
        assert (timer == object()) is False
        with pytest.raises(TypeError):
            assert timer < 1
        with pytest.raises(TypeError):
            assert timer >= object()

    def test_a_plain_handle_equals_only_itself(self, loop):
        one, other = loop.call_soon(named), loop.call_soon(named)
        assert one == one
        assert one != other

    def test_timers_hash_by_their_time(self, loop):
        when = loop.time() + 100
        one, same = loop.call_at(when, named), loop.call_at(when, named)
        assert hash(one) == hash(same) == hash(when)
        assert len({one, same}) == 1

    def test_handles_hash(self, loop):
        one, other = loop.call_soon(named), loop.call_soon(named)
        assert len({one, other}) == 2
