"""Child processes: made, waited for, talked to, and what the loop's timers notice of it.

Run as `python -m workloads.processes WORK LOOP WARMUP SECONDS`, this module repeats one work and
prints what it took as a line of JSON. The CPU time is that of the loop's process, without its
children.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable

import loops
from micro.scheduling import LIFE_SECONDS, Batch, measure

PIPE = asyncio.subprocess.PIPE
DATA = bytes(range(256)) * 256
"""64 KiB."""

LARGE_PROCESS_BYTES = 300 * 1_000_000
TICK = 0.001
"""Seconds between two ticks of the timer that is watched."""

CHILDREN = 10


async def spawn(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        process = await asyncio.create_subprocess_exec("true")
        if await process.wait():
            raise RuntimeError("`true` has failed")


async def spawn_at_once(loop: asyncio.AbstractEventLoop, count: int) -> None:
    await asyncio.gather(*(spawn(loop, 1) for _ in range(count)))


async def cat(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        output, _ = await process.communicate(DATA)
        if output != DATA:
            raise RuntimeError("`cat` has changed what went through it")


BATCHES = {
    "spawn": Batch(5, spawn),
    "spawn-20-at-once": Batch(20, spawn_at_once),
    "cat-64KB": Batch(5, cat),
}


async def lateness(warmup: float, seconds: float) -> dict[str, float]:
    """Make children again and again; by how many seconds the latest tick of each time was late."""
    loop = asyncio.get_running_loop()
    # Written to, so that it is really there.
    large = bytearray(b"x") * LARGE_PROCESS_BYTES
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            worst = max(worst, loop.time() - due)

    ticking = asyncio.create_task(tick())
    total, times = 0.0, 0
    begun, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < warmup + seconds:
        worst = 0.0
        await spawn(loop, CHILDREN)
        if time.perf_counter() - begun < warmup:
            cpu = time.process_time()
            continue
        total, times = total + worst, times + 1
    ticking.cancel()
    del large
    return {"operations": times, "seconds": total, "cpu_seconds": time.process_time() - cpu}


WORKS: dict[str, Callable[[float, float], Awaitable[dict[str, float]]]] = {
    **{
        name: lambda warmup, seconds, batch=batch: measure(batch, warmup, seconds)
        for name, batch in BATCHES.items()
    },
    "lateness-300MB": lateness,
}


def main(work: str, loop: str, warmup: str, seconds: str) -> None:
    signal.alarm(LIFE_SECONDS)
    with loops.runner(loop) as runner:
        taken = runner.run(WORKS[work](float(warmup), float(seconds)))
    print(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
