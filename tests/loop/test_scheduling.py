"""Order and time of callbacks."""

import asyncio
import contextvars
import random
import socket
import time

import pytest


def run_for_a_moment(loop, seconds=0.001):
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


def test_time_is_the_monotonic_clock(loop):
    before = time.monotonic()
    now = loop.time()
    after = time.monotonic()
    assert before <= now <= after


def test_time_moves_within_a_callback(loop):
    times = []

    def look():
        times.append(loop.time())
        end = time.monotonic() + 0.005
        while time.monotonic() < end:
            pass
        times.append(loop.time())
        loop.stop()

    loop.call_soon(look)
    loop.run_forever()
    assert times[1] - times[0] >= 0.005


def test_call_soon_runs_in_the_order_of_the_calls(loop):
    seen = []
    for number in range(1000):
        loop.call_soon(seen.append, number)
    run_for_a_moment(loop)
    assert seen == list(range(1000))


def test_call_soon_and_call_soon_threadsafe_keep_one_order(loop):
    seen = []
    for number in range(0, 100, 2):
        loop.call_soon(seen.append, number)
        loop.call_soon_threadsafe(seen.append, number + 1)
    run_for_a_moment(loop)
    assert sorted(seen) == list(range(100))
    assert seen[0::2] == sorted(seen[0::2]) or seen == list(range(100))


@pytest.mark.parametrize("count", range(8))
def test_callbacks_get_their_arguments(loop, count):
    seen = []
    loop.call_soon(lambda *args: seen.append(args), *range(count))
    loop.call_later(0, lambda *args: seen.append(args), *range(count))
    loop.call_soon_threadsafe(lambda *args: seen.append(args), *range(count))
    run_for_a_moment(loop)
    assert seen == [tuple(range(count))] * 3


def test_what_a_callback_schedules_runs_in_the_next_turn(loop):
    seen = []

    def first():
        seen.append("first")
        loop.call_soon(seen.append, "scheduled by first")

    loop.call_soon(first)
    loop.call_soon(seen.append, "second")
    run_for_a_moment(loop)
    assert seen == ["first", "second", "scheduled by first"]


def test_a_callback_that_reschedules_itself_does_not_starve_timers(loop):
    turns = 0

    def again():
        nonlocal turns
        turns += 1
        loop.call_soon(again)

    loop.call_soon(again)
    run_for_a_moment(loop, 0.01)
    assert turns > 1


def test_a_callback_that_reschedules_itself_does_not_starve_input(loop):
    left, right = socket.socketpair()

    def again():
        loop.call_soon(again)

    with left, right:
        right.send(b"x")
        loop.add_reader(left, loop.stop)
        loop.call_soon(again)
        loop.run_forever()
        assert left.recv(1) == b"x"
        loop.remove_reader(left)


def test_ready_callbacks_run_before_input_and_input_before_timers(loop):
    seen = []
    left, right = socket.socketpair()

    def on_input():
        seen.append("input")
        left.recv(1)

    with left, right:
        right.send(b"x")
        loop.add_reader(left, on_input)
        loop.call_at(loop.time() - 1, seen.append, "timer")
        loop.call_soon(seen.append, "ready")
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.remove_reader(left)
    assert seen == ["ready", "input", "timer"]


def test_a_call_cancelled_before_its_turn_does_not_run(loop):
    seen = []
    handles = [loop.call_soon(seen.append, n) for n in range(10)]
    for handle in handles[::2]:
        handle.cancel()
    run_for_a_moment(loop)
    assert seen == [1, 3, 5, 7, 9]


def test_a_callback_may_cancel_another_of_its_own_turn(loop):
    seen = []
    handles = []
    loop.call_soon(lambda: handles[0].cancel())
    handles.append(loop.call_soon(seen.append, "cancelled"))
    loop.call_soon(seen.append, "kept")
    run_for_a_moment(loop)
    assert seen == ["kept"]


def test_timers_run_in_the_order_of_their_times(loop):
    seen = []
    start = loop.time()
    delays = [n / 10_000 for n in range(200)]
    random.Random(1).shuffle(delays)
    for delay in delays:
        loop.call_at(start + delay, seen.append, delay)
    loop.call_at(start + 0.05, loop.stop)
    loop.run_forever()
    assert seen == sorted(delays)


@pytest.mark.nalsil_only
def test_timers_of_one_time_run_in_the_order_of_the_calls(loop):
    seen = []
    when = loop.time() + 0.001
    for number in range(1000):
        loop.call_at(when, seen.append, number)
    loop.call_at(when + 0.001, loop.stop)
    loop.run_forever()
    assert seen == list(range(1000))


def test_no_timer_runs_early(loop):
    count = 5000
    random_source = random.Random(2)
    early = []
    left = count

    def fired(when):
        nonlocal left
        now = loop.time()
        if now + time.get_clock_info("monotonic").resolution < when:
            early.append(when - now)
        left -= 1
        if not left:
            loop.stop()

    for _ in range(count):
        when = loop.time() + random_source.uniform(0, 0.5)
        loop.call_at(when, fired, when)
    loop.run_forever()
    assert early == []


def test_short_sleeps_are_never_short(run, loop):
    async def main():
        short = []
        for microseconds in range(1, 2000, 20):
            delay = microseconds / 1e6
            start = time.monotonic()
            await asyncio.sleep(delay)
            if time.monotonic() - start + time.get_clock_info("monotonic").resolution < delay:
                short.append(delay)
        return short

    assert run(main()) == []


@pytest.mark.parametrize("delay", [0, -1, -1e9, 0.0, True])
def test_a_timer_that_is_due_runs_at_once(loop, delay):
    seen = []
    loop.call_later(delay, seen.append, "due")
    loop.call_later(0, loop.stop)
    loop.run_forever()
    if delay is True:
        assert seen == []
    else:
        assert seen == ["due"]


def test_a_timer_far_away_does_not_disturb(loop):
    seen = []
    far = loop.call_later(1e10, seen.append, "in three centuries")
    run_for_a_moment(loop)
    assert seen == []
    far.cancel()


def test_a_timer_at_infinity_never_runs(loop):
    never = loop.call_at(float("inf"), print)
    run_for_a_moment(loop)
    assert never.when() == float("inf")
    never.cancel()


def test_a_cancelled_timer_does_not_run(loop):
    seen = []
    loop.call_later(0.0001, seen.append, "cancelled").cancel()
    run_for_a_moment(loop, 0.005)
    assert seen == []


def test_an_earlier_timer_made_while_the_loop_runs_is_in_time(loop):
    start = loop.time()
    late = loop.call_later(3600, loop.stop)
    loop.call_soon(lambda: loop.call_later(0.001, loop.stop))
    loop.run_forever()
    assert loop.time() - start < 3000
    late.cancel()


def test_cancelled_timers_do_not_pile_up(program):
    done = program("""
        import resource
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        loop = new_event_loop()
        async def churn(count):
            import asyncio
            for number in range(count):
                loop.call_later(3600, print, bytes(1000), number).cancel()
                if number % 1000 == 0:
                    await asyncio.sleep(0)
        loop.run_until_complete(churn(20_000))
        before = peak()
        loop.run_until_complete(churn(200_000))
        print((peak() - before) // 1024)
        loop.close()
    """)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 16, "MiB more after 200,000 cancelled timers"


def test_cancelled_timers_between_live_ones_leave_their_order(loop):
    seen = []
    start = loop.time()
    handles = []
    for number in range(2000):
        handles.append(loop.call_at(start + number / 1e5, seen.append, number))
    for number, handle in enumerate(handles):
        if number % 10:
            handle.cancel()
    loop.call_at(start + 0.03, loop.stop)
    loop.run_forever()
    assert seen == list(range(0, 2000, 10))


class TestContext:
    """The contextvars context a callback runs in."""

    variable = contextvars.ContextVar("variable", default="default")

    @pytest.mark.parametrize("schedule", ["call_soon", "call_soon_threadsafe", "call_later", "at"])
    def test_is_the_one_given(self, loop, schedule):
        seen = []
        context = contextvars.copy_context()
        context.run(self.variable.set, "given")
        look = lambda: (seen.append(self.variable.get()), self.variable.set("changed"))  # noqa: E731
        if schedule == "at":
            loop.call_at(loop.time(), look, context=context)
        elif schedule == "call_later":
            loop.call_later(0, look, context=context)
        else:
            getattr(loop, schedule)(look, context=context)
        run_for_a_moment(loop)
        assert seen == ["given"]
        assert context[self.variable] == "changed"
        assert self.variable.get() == "default"

    def test_is_otherwise_a_copy_of_the_callers(self, loop):
        seen = []

        def schedule():
            self.variable.set("caller")
            loop.call_soon(look)
            self.variable.set("later")

        def look():
            seen.append(self.variable.get())
            self.variable.set("callback")

        contextvars.copy_context().run(schedule)
        run_for_a_moment(loop)
        assert seen == ["caller"]
        assert self.variable.get() == "default"

    def test_of_a_reader_is_the_one_it_was_added_in(self, loop):
        seen = []
        left, right = socket.socketpair()

        def look():
            seen.append(self.variable.get())
            loop.stop()

        def add():
            self.variable.set("adder")
            loop.add_reader(left, look)

        with left, right:
            right.send(b"x")
            contextvars.copy_context().run(add)
            loop.run_forever()
            loop.remove_reader(left)
        assert seen == ["adder"]
