"""Many jobs end while their loop is busy; what wakes the loop is counted."""

import asyncio
import threading

from side import NALSIL, pool, run, say, wait_until_parked

JOBS = 100


def writes():
    """How often this process has written; nalsil's loop is woken by a write to an eventfd."""
    with open("/proc/self/io") as io:
        return int(dict(line.split(": ") for line in io)["syscw"])


def wake_ups_of(loop):
    """Return what tells how often `loop` has been woken."""
    if NALSIL:
        return writes
    woken = []
    write_to_self = loop._write_to_self
    loop._write_to_self = lambda: (woken.append(None), write_to_self())
    return lambda: len(woken)


async def main():
    loop = asyncio.get_running_loop()
    executor = pool(1)
    wake_ups = wake_ups_of(loop)

    before = wake_ups()
    await loop.run_in_executor(executor, wait_until_parked, threading.main_thread())
    say("the parked loop is woken", "once" if wake_ups() == before + 1 else wake_ups() - before)

    before = wake_ups()
    all_ended = threading.Event()
    futures = [loop.run_in_executor(executor, int) for _ in range(JOBS)]
    # The only worker takes this one when the outcomes of all others are on their way.
    executor.submit(all_ended.set)
    all_ended.wait()
    busy = wake_ups() - before
    await asyncio.gather(*futures)
    say("the busy loop is woken", "once at most" if busy <= 1 else f"{busy} times")


run(main())
