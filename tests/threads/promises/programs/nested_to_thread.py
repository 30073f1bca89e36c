"""As many jobs as there are workers, each waits for a coroutine that needs one more."""

import asyncio
import threading

from side import VARIANT, call_loop, pool, run, say

WORKERS = 2
OPTIONS = {"max_overflow": 0} if VARIANT == "no overflow" else {}


def outer(loop, all_here):
    all_here.wait()
    return call_loop(loop, asyncio.to_thread, int)


async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(pool(WORKERS, **OPTIONS))
    all_here = threading.Barrier(WORKERS, action=lambda: say("all workers wait for a thread"))
    jobs = (asyncio.to_thread(outer, loop, all_here) for _ in range(WORKERS))
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    raised = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    for error in raised[:1]:
        say(type(error).__name__, "with the stacks" if "outer" in str(error) else error)
    if not raised:
        say("all get one")


run(main())
