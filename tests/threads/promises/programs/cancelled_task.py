"""A task that waits for a job is cancelled while the job runs."""

import asyncio

from side import VARIANT, held, held_and_looking, let_go, pool, run, say, to_thread


async def cancel(task, runs):
    """Cancel the task once its job runs, and return when it has ended."""
    await runs.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def signal(loop):
    """An event of the loop, and what sets it from another thread."""
    event = asyncio.Event()
    return event, lambda: loop.call_soon_threadsafe(event.set)


async def told():
    """The job learns of it."""
    runs, begun = signal(asyncio.get_running_loop())
    ended, end = signal(asyncio.get_running_loop())

    def job():
        held_and_looking(begun)
        end()

    await cancel(asyncio.ensure_future(asyncio.to_thread(job)), runs)
    await ended.wait()


async def awaited():
    """The job does not outlive the await."""
    runs, begun = signal(asyncio.get_running_loop())
    await cancel(asyncio.ensure_future(to_thread(held_and_looking, begun)), runs)
    say("the await ends")


async def counted():
    """The job outlives the await and is accounted for."""
    loop = asyncio.get_running_loop()
    executor = pool(1)
    loop.set_default_executor(executor)
    runs, begun = signal(loop)
    await cancel(asyncio.ensure_future(to_thread(held, begun, abandon_on_cancel=True)), runs)
    say("the await ends")
    if hasattr(executor, "statistics"):
        say("abandoned jobs:", executor.statistics()["abandoned"])
    else:
        say("nothing counts abandoned jobs")
    let_go()


run({"told": told, "awaited": awaited, "counted": counted}[VARIANT]())
