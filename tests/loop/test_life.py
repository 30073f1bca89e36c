"""A loop's life: run, stop, close, and what each refuses."""

import asyncio
import gc
import warnings

import pytest


async def nothing():
    return None


def forget(things):
    things.clear()
    gc.collect()


def test_is_an_asyncio_loop(loop):
    assert isinstance(loop, asyncio.AbstractEventLoop)


def test_a_new_loop_neither_runs_nor_is_closed(loop):
    assert not loop.is_running()
    assert not loop.is_closed()


def test_repr_tells_the_state(loop):
    assert "running=False closed=False debug=" in repr(loop)
    loop.close()
    assert "closed=True" in repr(loop)


def test_run_until_complete_gives_the_result_of_a_coroutine(loop):
    async def answer():
        assert loop.is_running()
        assert asyncio.get_running_loop() is loop
        return 42

    assert loop.run_until_complete(answer()) == 42
    assert not loop.is_running()


def test_run_until_complete_raises_what_the_coroutine_raises(loop):
    async def fail():
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        loop.run_until_complete(fail())
    assert loop.run_until_complete(nothing()) is None


def test_run_until_complete_takes_a_future(loop):
    future = loop.create_future()
    loop.call_soon(future.set_result, "done")
    assert loop.run_until_complete(future) == "done"


def test_run_until_complete_takes_any_awaitable(loop):
    class Answer:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return 7

    assert loop.run_until_complete(Answer()) == 7


def test_run_until_complete_refuses_a_future_of_another_loop(loop, new_loop):
    with pytest.raises(ValueError, match="different loop"):
        loop.run_until_complete(new_loop().create_future())


def test_run_until_complete_tells_when_the_loop_stopped_before_the_future_was_done(loop):
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        loop.run_until_complete(future)


def test_run_until_complete_of_a_cancelled_task_raises_cancelled(loop):
    task = loop.create_task(asyncio.sleep(3600))
    loop.call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)


def test_run_forever_runs_until_stop(loop):
    seen = []

    def later():
        seen.append("later")
        loop.stop()

    loop.call_soon(seen.append, "first")
    loop.call_later(0.001, later)
    loop.run_forever()
    assert seen == ["first", "later"]
    assert not loop.is_running()


def test_stop_lets_the_callbacks_of_this_turn_run_and_no_others(loop):
    seen = []

    def first():
        loop.stop()
        loop.call_soon(seen.append, "next turn")

    loop.call_soon(first)
    loop.call_soon(seen.append, "same turn")
    loop.run_forever()
    assert seen == ["same turn"]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == ["same turn", "next turn"]


def test_stop_before_the_run_makes_it_one_turn(loop):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.stop()
    loop.run_forever()
    assert seen == [1]


def test_a_loop_runs_many_times(loop):
    for value in range(100):
        assert loop.run_until_complete(asyncio.sleep(0, value)) == value


def test_a_running_loop_refuses_to_run_again(run, loop):
    async def main():
        coroutine = nothing()
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            loop.run_until_complete(coroutine)
        coroutine.close()

    run(main())


def test_another_loop_refuses_to_run_inside_a_running_one(run, new_loop):
    other = new_loop()

    async def main():
        coroutine = nothing()
        wording = r"^Cannot run the event loop while another loop is running$"
        with pytest.raises(RuntimeError, match=wording):
            other.run_until_complete(coroutine)
        coroutine.close()

    run(main())
    assert other.run_until_complete(asyncio.sleep(0, "still good")) == "still good"


@pytest.mark.nalsil_only  # the stock loop of 3.13 takes itself for stopped afterwards
def test_a_refused_run_leaves_the_running_loop_as_it_was(run, loop, new_loop):
    async def main():
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match=r"^Cannot run the event loop while another"):
            new_loop().run_forever()
        assert loop.is_running()
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)

    run(main())


def test_a_running_loop_refuses_to_close(run, loop):
    async def main():
        with pytest.raises(RuntimeError, match=r"^Cannot close a running event loop$"):
            loop.close()

    run(main())
    assert not loop.is_closed()


def test_close_may_be_called_again(loop):
    loop.close()
    loop.close()
    assert loop.is_closed()


@pytest.mark.parametrize(
    "call",
    [
        lambda loop: loop.call_soon(print),
        lambda loop: loop.call_soon_threadsafe(print),
        lambda loop: loop.call_later(1, print),
        lambda loop: loop.call_at(loop.time() + 1, print),
        lambda loop: loop.run_in_executor(None, print),
        lambda loop: loop.run_forever(),
        lambda loop: loop.add_signal_handler(10, print),
    ],
    ids=[
        "call_soon",
        "call_soon_threadsafe",
        "call_later",
        "call_at",
        "run_in_executor",
        "run_forever",
        "add_signal_handler",
    ],
)
def test_a_closed_loop_refuses_a_call(loop, call):
    loop.close()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        call(loop)


@pytest.mark.parametrize("method", ["create_task", "run_until_complete"])
def test_a_closed_loop_refuses_a_coroutine(loop, method):
    loop.close()
    coroutine = nothing()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        getattr(loop, method)(coroutine)
    coroutine.close()


def test_a_closed_loop_still_tells_the_time(loop):
    loop.close()
    assert loop.time() > 0


def test_close_forgets_the_callbacks_that_wait(loop):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.call_later(0, seen.append, 2)
    loop.close()
    assert seen == []


def test_a_loop_left_open_warns(new_loop):
    # Not through the fixture: it would hold the loop.
    factory = type(new_loop())
    loops = [factory()]
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        forget(loops)


def test_a_closed_loop_does_not_warn(new_loop):
    factory = type(new_loop())
    loop = factory()
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del loop
        gc.collect()


def test_asyncio_runner_uses_the_loop(new_loop):
    with asyncio.Runner(loop_factory=new_loop) as runner:

        async def main():
            return asyncio.get_running_loop()

        loop = runner.run(main())
        assert runner.get_loop() is loop
    assert loop.is_closed()


@pytest.mark.nalsil_only
class TestPackage:
    """The package's own names."""

    def test_run_runs_a_coroutine_on_a_loop_of_its_own(self):
        import nalsil

        async def main():
            return asyncio.get_running_loop()

        loop = nalsil.run(main())
        assert isinstance(loop, nalsil.EventLoop)
        assert loop.is_closed()

    def test_run_takes_debug(self):
        import nalsil

        async def main():
            return asyncio.get_running_loop().get_debug()

        assert nalsil.run(main(), debug=True) is True
        assert nalsil.run(main(), debug=False) is False

    def test_run_refuses_to_nest(self, run):
        import nalsil

        async def main():
            coroutine = nothing()
            with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
                nalsil.run(coroutine)
            coroutine.close()

        run(main())

    def test_run_refuses_what_is_no_coroutine(self):
        import nalsil

        with pytest.raises((ValueError, TypeError), match="coroutine"):
            nalsil.run(42)

    def test_importing_patches_nothing(self, program):
        done = program("""
            import asyncio
            assert type(asyncio.new_event_loop()).__module__.startswith("asyncio")
            print("stock")
        """)
        assert done.stdout == "stock\n"
        assert "unclosed event loop" not in done.stderr

    def test_install_makes_it_the_loop_of_asyncio(self, program):
        done = program("""
            import asyncio, nalsil, warnings
            warnings.simplefilter("ignore", DeprecationWarning)
            nalsil.install()
            async def main():
                return type(asyncio.get_running_loop()) is nalsil.EventLoop
            print(asyncio.run(main()), isinstance(
                asyncio.get_event_loop_policy(), nalsil.EventLoopPolicy))
        """)
        assert done.stdout == "True True\n", done.stderr
