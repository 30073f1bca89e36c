"""`Handle` and `TimerHandle`: what call_soon, call_later and call_at give back."""

import asyncio
import collections
import contextvars
import sys
import threading
import time

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


@pytest.mark.skipif(
    sys.version_info < (3, 14), reason="asyncio's handles for threads wait since 3.14"
)
class TestHandlesOfOtherThreads:
    """What call_soon_threadsafe gives back: other threads wait while the callback runs."""

    @pytest.fixture(params=["cancel", "cancelled"])
    def asked(self, loop, request):
        """Let a thread ask the handle while its callback runs; return the order of things."""

        def ask(debug=False):
            loop.set_debug(debug)
            order = []
            begun, asking = threading.Event(), threading.Event()

            def callback():
                begun.set()
                asking.wait()
                # Whoever did not wait would be through long before all these turns are over.
                for _ in range(100):
                    time.sleep(0)
                order.append("ran")

            def thread():
                handle = loop.call_soon_threadsafe(callback)
                begun.wait()
                asking.set()
                answer = getattr(handle, request.param)()
                order.append(answer)
                loop.call_soon_threadsafe(loop.stop)

            other = threading.Thread(target=thread)
            other.start()
            loop.run_forever()
            other.join()
            return order

        ask.answer = {"cancel": None, "cancelled": False}[request.param]
        return ask

    def test_others_wait_for_its_end(self, asked):
        assert asked() == ["ran", asked.answer]

    def test_in_debug_mode_too(self, asked):
        assert asked(debug=True) == ["ran", asked.answer]

    def test_they_have_asyncios_class(self, loop):
        handle = loop.call_soon_threadsafe(named)
        assert isinstance(handle, asyncio.events._ThreadSafeHandle)
        assert not isinstance(loop.call_soon(named), asyncio.events._ThreadSafeHandle)

    def test_the_callback_may_cancel_its_own(self, loop):
        seen = []

        def callback():
            handle.cancel()
            seen.append(handle.cancelled())
            loop.stop()

        handle = loop.call_soon_threadsafe(callback)
        loop.run_forever()
        assert seen == [True]

    def test_one_that_is_cancelled_does_not_run(self, loop):
        seen = []
        loop.call_soon_threadsafe(seen.append, 1).cancel()
        loop.call_soon_threadsafe(seen.append, 2)
        loop.call_soon_threadsafe(loop.stop)
        loop.run_forever()
        assert seen == [2]

    def test_a_callback_that_raises_lets_the_others_go(self, loop):
        begun, reports = threading.Event(), []
        loop.set_exception_handler(lambda _loop, context: reports.append(context["exception"]))

        def callback():
            begun.set()
            raise LookupError("on purpose")

        def thread():
            handle = loop.call_soon_threadsafe(callback)
            begun.wait()
            handle.cancel()
            loop.call_soon_threadsafe(loop.stop)

        other = threading.Thread(target=thread)
        other.start()
        loop.run_forever()
        other.join()
        assert [type(error) for error in reports] == [LookupError]

    @pytest.mark.hang_after(120)
    def test_many_threads_cancel_what_runs(self, loop):
        """Every callback runs once at most; one whose cancel() came first does not run."""
        rounds, threads = 300, 4
        ran = collections.Counter()

        def thread(number):
            for count in range(rounds):
                key = (number, count)
                handle = loop.call_soon_threadsafe(ran.update, [key])
                if count % 3:
                    handle.cancel()
                if count % 7 == 0:
                    handle.cancelled()

        def stop_when_done():
            for other in others:
                other.join()
            loop.call_soon_threadsafe(loop.stop)

        others = [threading.Thread(target=thread, args=(number,)) for number in range(threads)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for other in others:
                other.start()
            stopper = threading.Thread(target=stop_when_done)
            stopper.start()
            loop.run_forever()
            stopper.join()
        finally:
            sys.setswitchinterval(interval)
        assert set(ran.values()) <= {1}
        kept = {(number, count) for number in range(threads) for count in range(0, rounds, 3)}
        assert kept <= set(ran)
