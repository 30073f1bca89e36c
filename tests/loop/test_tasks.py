"""Tasks and futures a loop makes."""

import asyncio
import contextvars
import sys

import pytest

since_3_12 = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python has eager tasks since 3.12"
)


async def nothing():
    return None


def test_create_future_gives_a_future_of_the_loop(loop):
    future = loop.create_future()
    assert isinstance(future, asyncio.Future)
    assert future.get_loop() is loop
    assert asyncio.isfuture(future)


def test_create_task_gives_a_task_of_the_loop(run, loop):
    async def main():
        task = loop.create_task(nothing())
        assert isinstance(task, asyncio.Task)
        assert task.get_loop() is loop
        assert await task is None

    run(main())


def test_create_task_begins_in_the_next_turn(run, loop):
    seen = []

    async def note():
        seen.append("task")

    async def main():
        task = loop.create_task(note())
        seen.append("main")
        await task

    run(main())
    assert seen == ["main", "task"]


def test_create_task_takes_a_name(run, loop):
    async def main():
        task = loop.create_task(nothing(), name="spam")
        assert task.get_name() == "spam"
        await task
        task = loop.create_task(nothing(), name=123)
        assert task.get_name() == "123"
        await task
        task = loop.create_task(nothing())
        assert task.get_name().startswith("Task-")
        await task

    run(main())


def test_create_task_takes_a_context(run, loop):
    variable = contextvars.ContextVar("variable", default="outside")

    async def change():
        variable.set("inside")

    async def main():
        context = contextvars.copy_context()
        await loop.create_task(change(), context=context)
        assert context[variable] == "inside"
        assert variable.get() == "outside"
        await loop.create_task(change())
        assert variable.get() == "outside"

    run(main())


def test_a_coroutine_sees_the_loop_and_its_task(run, loop):
    async def main():
        assert asyncio.get_running_loop() is loop
        assert asyncio.get_event_loop() is loop
        current = asyncio.current_task()
        assert asyncio.current_task(loop) is current
        assert asyncio.all_tasks() == {current}
        other = loop.create_task(nothing())
        assert asyncio.all_tasks(loop) == {current, other}
        await other
        assert asyncio.all_tasks() == {current}

    run(main())


def test_outside_a_run_there_is_no_running_loop(loop, run):
    run(nothing())
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    assert asyncio.current_task(loop) is None


def test_in_a_callback_there_is_a_loop_but_no_task(loop):
    seen = []

    def look():
        seen.append((asyncio.get_running_loop(), asyncio.current_task()))
        loop.stop()

    loop.call_soon(look)
    loop.run_forever()
    assert seen == [(loop, None)]


def test_gather_and_task_group_work(run):
    async def main():
        assert await asyncio.gather(*(asyncio.sleep(0, n) for n in range(100))) == list(range(100))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, n)) for n in range(100)]
        assert [task.result() for task in tasks] == list(range(100))

    run(main())


def test_a_timeout_ends_a_wait(run):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(3600)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(3600), 0.001)

    run(main())


class TestFactory:
    """set_task_factory."""

    def test_makes_the_tasks(self, run, loop):
        seen = []

        def factory(loop, coro, **options):
            seen.append(options)
            return asyncio.Task(coro, loop=loop, **options)

        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory

        async def main():
            task = loop.create_task(nothing(), name="spam")
            assert task.get_name() == "spam"
            await task

        run(main())
        assert len(seen) == 2

    def test_gets_a_context_only_when_one_is_given(self, run, loop):
        seen = []

        def factory(loop, coro, context=None, **options):
            seen.append(context)
            return asyncio.Task(coro, loop=loop, context=context, **options)

        context = contextvars.copy_context()
        loop.set_task_factory(factory)

        async def main():
            await loop.create_task(nothing())
            await loop.create_task(nothing(), context=context)

        run(main())
        assert seen == [None, None, context]

    def test_none_brings_back_the_default(self, run, loop):
        loop.set_task_factory(lambda loop, coro, **options: None)
        loop.set_task_factory(None)
        assert loop.get_task_factory() is None
        run(nothing())

    @pytest.mark.parametrize("bad", [1, "spam", object()])
    def test_must_be_callable_or_none(self, loop, bad):
        with pytest.raises(TypeError, match="task factory must be a callable or None"):
            loop.set_task_factory(bad)

    @since_3_12
    def test_eager_tasks_begin_at_once(self, run, loop):
        loop.set_task_factory(asyncio.eager_task_factory)
        seen = []

        async def note():
            seen.append("task")
            assert asyncio.current_task() is not outer
            return 5

        async def main():
            nonlocal outer
            outer = asyncio.current_task()
            task = loop.create_task(note())
            seen.append("main")
            assert task.done()
            assert asyncio.current_task() is outer
            assert await task == 5

        outer = None
        run(main())
        assert seen == ["task", "main"]

    @since_3_12
    def test_eager_tasks_that_wait_go_on_later(self, run, loop):
        loop.set_task_factory(asyncio.eager_task_factory)

        async def wait(future):
            return await future

        async def main():
            future = loop.create_future()
            task = loop.create_task(wait(future))
            assert not task.done()
            assert task in asyncio.all_tasks()
            future.set_result(3)
            assert await task == 3

        run(main())

    @since_3_12
    @pytest.mark.nalsil_only
    def test_eager_start_is_passed_on(self, run, loop):
        async def main():
            task = loop.create_task(nothing(), eager_start=True)
            assert task.done()
            task = loop.create_task(nothing(), eager_start=False)
            assert not task.done()
            await task

        run(main())


def test_run_coroutine_threadsafe_gives_the_result_to_a_thread(run, loop):
    def other_thread():
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "result"), loop).result()

    async def main():
        return await loop.run_in_executor(None, other_thread)

    assert run(main()) == "result"


def test_a_task_with_a_source_traceback_names_this_file(run, loop):
    loop.set_debug(True)

    async def main():
        task = loop.create_task(nothing())
        assert task._source_traceback[-1].filename == __file__
        await task
        future = loop.create_future()
        assert __file__ in [frame.filename for frame in future._source_traceback]

    run(main())


async def test_a_class_in_the_place_of_asyncios_is_used(loop, monkeypatch):
    class Task(asyncio.Task):
        pass

    class Future(asyncio.Future):
        pass

    async def nothing():
        pass

    monkeypatch.setattr(asyncio.tasks, "Task", Task)
    monkeypatch.setattr(asyncio.futures, "Future", Future)
    task = loop.create_task(nothing())
    assert type(task) is Task
    await task
    assert type(loop.create_future()) is Future
