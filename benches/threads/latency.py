"""How long single hops take, and what they cost, in programs that do something else as well."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from threads.hops import Work, answer, runner
from threads.meter import Timing, Usage, percentiles, taken

JOB_NANOSECONDS = 100_000
LONGER_WITH_GAPS, LONGER_WHEN_BUSY = 2, 4
"""Single hops far apart need so many times the time for enough samples."""


def burn() -> int:
    """Use 100 µs of processor time, however fast the interpreter is."""
    end = time.thread_time_ns() + JOB_NANOSECONDS
    while time.thread_time_ns() < end:
        pass
    return 1


def wait() -> int:
    """Wait for 100 µs, as for a disk."""
    time.sleep(JOB_NANOSECONDS / 1e9)
    return 1


async def hops(job: Callable[[], int], gap: float, seconds: float) -> list[float]:
    """`to_thread` again and again, `gap` seconds of sleep before each; seconds each took."""
    samples = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if gap:
            await asyncio.sleep(gap)
        start = time.perf_counter()
        if await asyncio.to_thread(job) != 1:
            raise RuntimeError("a wrong answer")
        samples.append(time.perf_counter() - start)
    return samples


async def measure(job: Callable[[], int], gap: float, timing: Timing) -> dict[str, Any]:
    """Time, CPU and percentiles of hops with `gap` seconds between them."""
    await hops(job, gap, timing.warmup)
    before = Usage.now()
    samples = await hops(job, gap, timing.seconds)
    used = Usage.now() - before
    return taken(len(samples), used, **percentiles(samples))


def gaps(job: Callable[[], int], gap: float) -> Work:
    """The work that has pauses of `gap` seconds between its hops."""

    def work(contender: str, timing: Timing) -> dict[str, Any]:
        with runner(contender) as running:
            return running.run(measure(job, gap, timing.longer(LONGER_WITH_GAPS)))

    return work


def busy_thread(contender: str, timing: Timing) -> dict[str, Any]:
    ended = False

    def keep_busy() -> None:
        while not ended:
            pass

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        with runner(contender) as running:
            return running.run(measure(answer, 0.0, timing.longer(LONGER_WHEN_BUSY)))
    finally:
        ended = True
        thread.join()


WORKS: dict[str, Work] = {
    "latency/busy-thread": busy_thread,
    "gaps/1ms-burn": gaps(burn, 0.001),
    "gaps/1ms-wait": gaps(wait, 0.001),
    "gaps/5ms-burn": gaps(burn, 0.005),
}
