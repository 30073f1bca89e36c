"""A coroutine gives up waiting for a job that does not end."""

import asyncio

from side import VARIANT, held, let_go, run, say


async def main():
    loop = asyncio.get_running_loop()
    runs = asyncio.Event()
    task = asyncio.create_task(asyncio.to_thread(held, lambda: loop.call_soon_threadsafe(runs.set)))
    await runs.wait()
    try:
        await asyncio.wait_for(task, 0.01)
    except TimeoutError:
        say("the wait times out")


run(main())
say("run() returns")
if VARIANT == "let go":
    let_go()
