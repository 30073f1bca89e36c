"""A loop is closed while threads have to do with it: each of them is told, and nobody hangs."""

import asyncio
import concurrent.futures

import pytest

pytestmark = pytest.mark.nalsil_only

CLOSED = "Event loop is closed"
NO_LOOP = "its jobs do not know their loop"


@pytest.mark.nalsil_pool(NO_LOOP)
@pytest.mark.logs_errors  # the task is destroyed while it is pending
def test_a_job_that_waits_for_a_task_fails(module, new_loop, new_pool):
    loop, pool, seen = new_loop(), new_pool(1), concurrent.futures.Future()

    def job(task_begun):
        async def wait():
            task_begun.set()
            await asyncio.get_running_loop().create_future()

        try:
            module.from_thread.run(wait)
        except RuntimeError as error:
            seen.set_result(error)

    async def main():
        task_begun = asyncio.Event()
        future = loop.run_in_executor(pool, job, task_begun)
        await task_begun.wait()
        future.cancel()

    loop.run_until_complete(main())
    loop.close()
    assert CLOSED in str(seen.result())


@pytest.mark.nalsil_pool("calls from threads are nalsil's own")
@pytest.mark.logs_errors  # the task is destroyed while it is pending
@pytest.mark.parametrize("begun", [True, False], ids=["its task runs", "before it was made"])
def test_a_call_of_another_thread_fails(new_loop, in_thread, begun):
    loop = new_loop()
    task_begun = asyncio.Event()

    async def wait():
        task_begun.set()
        await asyncio.get_running_loop().create_future()

    future = in_thread(loop._submit_from_thread, wait).result()
    if begun:
        loop.run_until_complete(task_begun.wait())
    loop.close()
    with pytest.raises(RuntimeError, match=CLOSED):
        future.result()


def test_its_queued_jobs_may_be_cancelled(new_loop, new_pool, gate):
    loop, pool, seen = new_loop(), new_pool(1), []
    loop.run_in_executor(pool, gate.job)
    gate.wait_for()
    loop.run_in_executor(pool, seen.append, 1)
    loop.close()
    pool.shutdown(wait=False, cancel_futures=True)
    gate.open()
    pool.shutdown()
    assert seen == []
