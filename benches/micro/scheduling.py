"""What the loop does without any I/O: callbacks, timers, tasks and what is built on them.

A batch runs a fixed number of operations and returns when all of them are done. Run as
`python -m micro.scheduling WORK LOOP WARMUP SECONDS`, this module repeats one batch and prints
what it took as a line of JSON.
"""

import asyncio
import gc
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import loops

from micro.pipes import through_pipe

LIFE_SECONDS = 120
"""A process that outlives its runner ends itself after so long."""

PUSHER = ThreadPoolExecutor(1)
FAR = 60.0


@dataclass(frozen=True, slots=True)
class Batch:
    """`run` does `operations` operations on the running loop."""

    operations: int
    run: Callable[[asyncio.AbstractEventLoop, int], Awaitable[None]]


def nothing() -> None:
    """A callback without arguments."""


def nothing_of_three(first: int, second: str, third: None) -> None:
    """A callback with three arguments."""


async def returns_at_once() -> None:
    """The shortest task."""


async def call_soon(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        loop.call_soon(nothing)
    # The wake-up of this task is queued behind the callbacks, so all of them have run after it.
    await asyncio.sleep(0)


async def call_soon_3_args(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        loop.call_soon(nothing_of_three, 1, "two", None)
    await asyncio.sleep(0)


async def call_soon_chain(loop: asyncio.AbstractEventLoop, count: int) -> None:
    done = loop.create_future()

    def link(left: int) -> None:
        if left:
            loop.call_soon(link, left - 1)
        else:
            done.set_result(None)

    loop.call_soon(link, count - 1)
    await done


def push(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        loop.call_soon_threadsafe(nothing)


async def threadsafe_own_thread(loop: asyncio.AbstractEventLoop, count: int) -> None:
    push(loop, count)
    await asyncio.sleep(0)


async def threadsafe_other_thread(loop: asyncio.AbstractEventLoop, count: int) -> None:
    await loop.run_in_executor(PUSHER, push, loop, count)


async def timers_fired(loop: asyncio.AbstractEventLoop, count: int) -> None:
    done = loop.create_future()
    for number in range(count):
        # A step prime to 1,000 scatters the due times, so that the timers do not arrive sorted.
        loop.call_later(0.001 + number * 617 % 1_000 * 1e-6, nothing)
    loop.call_later(0.003, done.set_result, None)
    await done


async def timers_cancelled(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        loop.call_later(FAR, nothing).cancel()
    await asyncio.sleep(0)


async def sleep_0(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def gather_sleep_0(loop: asyncio.AbstractEventLoop, count: int) -> None:
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(count)))


async def gather_sleeps(loop: asyncio.AbstractEventLoop, count: int) -> None:
    await asyncio.gather(*(asyncio.sleep(0.05) for _ in range(count)))


async def taskgroup(loop: asyncio.AbstractEventLoop, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(returns_at_once())


async def queue(loop: asyncio.AbstractEventLoop, count: int) -> None:
    items: asyncio.Queue[int] = asyncio.Queue(100)

    async def produce() -> None:
        for number in range(count):
            await items.put(number)

    producer = asyncio.create_task(produce())
    for _ in range(count):
        await items.get()
    await producer


async def event_ping_pong(loop: asyncio.AbstractEventLoop, count: int) -> None:
    ping, pong = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        for _ in range(count):
            await ping.wait()
            ping.clear()
            pong.set()

    answering = asyncio.create_task(answer())
    for _ in range(count):
        ping.set()
        await pong.wait()
        pong.clear()
    await answering


async def timeout(loop: asyncio.AbstractEventLoop, count: int) -> None:
    for _ in range(count):
        async with asyncio.timeout(FAR):
            await asyncio.sleep(0)


BATCHES = {
    "call_soon": Batch(1_000, call_soon),
    "call_soon-3-args": Batch(1_000, call_soon_3_args),
    "call_soon-chain": Batch(1_000, call_soon_chain),
    "threadsafe-own-thread": Batch(1_000, threadsafe_own_thread),
    "threadsafe-other-thread": Batch(5_000, threadsafe_other_thread),
    "timers-fired": Batch(20_000, timers_fired),
    "timers-cancelled": Batch(1_000, timers_cancelled),
    "sleep-0": Batch(1_000, sleep_0),
    "gather-sleep-0": Batch(1_000, gather_sleep_0),
    "gather-20000-sleeps": Batch(20_000, gather_sleeps),
    "taskgroup": Batch(100, taskgroup),
    "queue": Batch(1_000, queue),
    "event-ping-pong": Batch(1_000, event_ping_pong),
    "timeout": Batch(1_000, timeout),
    "pipe-64KB": Batch(1_000, through_pipe),
}


async def repeat(batch: Batch, seconds: float) -> dict[str, float]:
    """Run `batch` again and again for at least `seconds`; counts, wall and process CPU seconds."""
    loop = asyncio.get_running_loop()
    operations = 0
    cpu, start = time.process_time(), time.perf_counter()
    now = start
    while now - start < seconds:
        await batch.run(loop, batch.operations)
        operations += batch.operations
        now = time.perf_counter()
    return {
        "operations": operations,
        "seconds": now - start,
        "cpu_seconds": time.process_time() - cpu,
    }


async def measure(batch: Batch, warmup: float, seconds: float) -> dict[str, float]:
    """`repeat` after a warm-up that does not count.

    The collector stays on, as in a program, but does not look at what was there before.
    """
    await repeat(batch, warmup)
    gc.collect()
    gc.freeze()
    return await repeat(batch, seconds)


def main(work: str, loop: str, warmup: str, seconds: str) -> None:
    signal.alarm(LIFE_SECONDS)
    with loops.runner(loop) as runner:
        taken = runner.run(measure(BATCHES[work], float(warmup), float(seconds)))
    print(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
