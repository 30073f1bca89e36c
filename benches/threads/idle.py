"""What threads cost that have nothing to do: memory, processor time, context switches."""

import asyncio
import gc
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from threads.hops import Work, answer, answer_of_coroutine, runner
from threads.meter import Timing, Usage, taken
from threads.pools import Pool, pool
from threads.portals import blocking_portal, loop_in_thread

WORKERS = 200
"""So many that a page more or less elsewhere in the process does not count."""

IDLE_WORKERS = 8
IDLE_SECONDS = 2.0
SETTLE_SECONDS = 0.3
"""How long workers get to park, and caches to be trimmed, before a measurement."""

GATHERING_SECONDS = 20.0


def occupy(executor: Pool, workers: int) -> None:
    """Start `workers` workers: as many jobs, none of which ends before all have begun."""
    barrier = threading.Barrier(workers)
    jobs = [executor.submit(barrier.wait, GATHERING_SECONDS) for _ in range(workers)]
    for job in jobs:
        job.result()


def resident_kib() -> int:
    """KiB of this process in memory, counted page by page (proc(5), smaps_rollup)."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise RuntimeError("no `Rss` in /proc/self/smaps_rollup")


def memory(contender: str, timing: Timing) -> dict[str, Any]:
    # What a first worker imports and caches belongs to the process, not to a worker.
    with pool(contender, max_workers=1) as first:
        first.submit(answer).result()
    start = Usage.now()
    with pool(contender, max_workers=WORKERS) as executor:
        gc.collect()
        before = resident_kib()
        occupy(executor, WORKERS)
        gc.collect()
        time.sleep(SETTLE_SECONDS)
        grown = resident_kib() - before
        return taken(WORKERS, Usage.now() - start, memory=grown / WORKERS)


def open_portal(contender: str) -> AbstractContextManager[Any]:
    """A portal; for `stock` the nearest there is, a loop in a thread."""
    return blocking_portal("nalsil") if contender == "nalsil" else loop_in_thread("asyncio")


def call_once(contender: str, portal: Any) -> None:
    if contender == "nalsil":
        portal.call(answer_of_coroutine)
    else:
        asyncio.run_coroutine_threadsafe(answer_of_coroutine(), portal).result()


async def do_nothing(contender: str) -> dict[str, Any]:
    with (
        pool(contender, max_workers=IDLE_WORKERS) as executor,
        open_portal(contender) as portal,
    ):
        occupy(executor, IDLE_WORKERS)
        call_once(contender, portal)
        await asyncio.to_thread(answer)
        await asyncio.sleep(SETTLE_SECONDS)
        before = Usage.now()
        await asyncio.sleep(IDLE_SECONDS)
        used = Usage.now() - before
    return taken(used.seconds, used)


def program(contender: str, timing: Timing) -> dict[str, Any]:
    with runner(contender) as running:
        return running.run(do_nothing(contender))


WORKS: dict[str, Work] = {"idle/memory": memory, "idle/program": program}
