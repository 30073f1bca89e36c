"""`nalsil.from_thread`: jobs that call back into the loop that started them."""

import asyncio
import concurrent.futures
import contextvars
import threading

import pytest

pytestmark = [
    pytest.mark.nalsil_only,
    pytest.mark.nalsil_pool("its jobs do not know their loop"),
]


@pytest.fixture
def from_thread(module):
    return module.from_thread


@pytest.fixture(params=["nalsil.to_thread", "asyncio.to_thread", "default", "given"])
def as_job(request, module, loop, new_pool):
    """`await as_job(fn, *args)` calls it in a job of the loop, started in one of several ways."""
    pool = new_pool(2)

    async def start(fn, *args):
        match request.param:
            case "nalsil.to_thread":
                return await module.to_thread(fn, *args)
            case "asyncio.to_thread":
                return await asyncio.to_thread(fn, *args)
            case "default":
                return await loop.run_in_executor(None, fn, *args)
            case "given":
                return await loop.run_in_executor(pool, fn, *args)

    return start


async def where(*args):
    await asyncio.sleep(0)
    return asyncio.current_task(), threading.get_ident(), args


async def test_a_coroutine_runs_as_a_task_of_the_loop(as_job, from_thread):
    task, thread, args = await as_job(from_thread.run, where, 1, "two")
    assert isinstance(task, asyncio.Task)
    assert task is not asyncio.current_task()
    assert task.get_loop() is asyncio.get_running_loop()
    assert thread == threading.get_ident()
    assert args == (1, "two")


async def test_a_function_runs_in_the_thread_of_the_loop(as_job, from_thread):
    def ask(*args):
        return threading.get_ident(), asyncio.get_running_loop(), args

    expected = (threading.get_ident(), asyncio.get_running_loop(), (1, 2))
    assert await as_job(from_thread.run_sync, ask, 1, 2) == expected


async def fail_later(error):
    await asyncio.sleep(0)
    raise error


def fail(error):
    raise error


async def test_the_exception_of_a_coroutine_reaches_the_job(as_job, from_thread):
    error = LookupError("of the loop")
    with pytest.raises(LookupError) as caught:
        await as_job(from_thread.run, fail_later, error)
    assert caught.value is error


async def test_the_exception_of_a_function_reaches_the_job(as_job, from_thread, reported):
    error = LookupError("of the loop")
    with pytest.raises(LookupError) as caught:
        await as_job(from_thread.run_sync, fail, error)
    assert caught.value is error
    assert reported == []


async def test_a_job_may_handle_it_and_call_again(as_job, from_thread):
    def work():
        seen = []
        for number in range(5):
            try:
                from_thread.run(fail_later, LookupError(number))
            except LookupError as error:
                seen += error.args
        return [*seen, from_thread.run(asyncio.sleep, 0, "end")]

    assert await as_job(work) == [0, 1, 2, 3, 4, "end"]


async def test_back_and_forth(module, from_thread):
    async def down(depth):
        return await module.to_thread(up, depth - 1) + 1 if depth else 0

    def up(depth):
        return from_thread.run(down, depth) + 1

    assert await down(10) == 20


async def test_many_jobs_at_once(module, from_thread):
    async def double(number):
        await asyncio.sleep(0)
        return 2 * number

    jobs = [module.to_thread(from_thread.run, double, number) for number in range(200)]
    assert await asyncio.gather(*jobs) == [2 * number for number in range(200)]


async def test_a_coroutine_that_is_cancelled_ends_the_call(as_job, from_thread):
    async def give_up():
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    def work():
        try:
            from_thread.run(give_up)
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            return "cancelled"

    assert await as_job(work) == "cancelled"


async def test_context_of_the_caller_reaches_the_coroutine(module, from_thread):
    variable = contextvars.ContextVar("variable")

    async def get():
        return variable.get()

    variable.set("caller")
    assert await module.to_thread(from_thread.run, get) == "caller"
    assert await module.to_thread(from_thread.run_sync, variable.get) == "caller"


async def test_two_loops_each_get_their_own(module, from_thread, new_loop, new_pool, in_thread):
    other, pool = new_loop(), new_pool(2)

    async def ask():
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, from_thread.run_sync, asyncio.get_running_loop)

    assert await asyncio.to_thread(in_thread(other.run_until_complete, ask()).result) is other
    assert await ask() is asyncio.get_running_loop()


class TestElsewhere:
    """Where there is no loop to call back into."""

    @pytest.fixture(params=["run", "run_sync"])
    def call(self, request, from_thread):
        if request.param == "run":
            return lambda: from_thread.run(asyncio.sleep, 0)
        return lambda: from_thread.run_sync(int)

    def test_in_a_thread_that_is_no_worker(self, call, in_thread):
        for call_it in (call, lambda: in_thread(call).result()):
            with pytest.raises(RuntimeError, match="hint: "):
                call_it()

    def test_in_a_job_that_no_loop_started(self, call, new_pool):
        with pytest.raises(RuntimeError, match="hint: "):
            new_pool().submit(call).result()

    async def test_in_the_thread_of_the_loop(self, call):
        with pytest.raises(RuntimeError, match=r"hint: .*await"):
            call()

    async def test_in_a_callback_from_a_job(self, module, from_thread, call):
        with pytest.raises(RuntimeError, match="hint: "):
            await module.to_thread(from_thread.run_sync, call)

    def test_after_the_loop_was_closed(self, new_loop, new_pool, call, gate):
        loop, pool = new_loop(), new_pool(1)
        seen = concurrent.futures.Future()

        def work():
            gate.job()
            try:
                call()
            except RuntimeError as error:
                seen.set_result(error)

        async def main():
            loop.run_in_executor(pool, work)

        loop.run_until_complete(main())
        gate.wait_for()
        loop.close()
        gate.open()
        assert "closed" in str(seen.result())
