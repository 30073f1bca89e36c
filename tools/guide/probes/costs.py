"""What a task and a thread cost to make, to switch and to reach from the other side, in seconds."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import nalsil

ROUNDS = 9
TASKS = 2000
THREADS = 200
SWITCHES = 5000
HOPS = 500


async def nothing() -> None:
    """A task that ends in its first step."""


def made_tasks() -> float:
    """A task made, run and awaited."""

    async def main() -> float:
        began = time.perf_counter()
        for _ in range(TASKS):
            await asyncio.create_task(nothing())
        return (time.perf_counter() - began) / TASKS

    return nalsil.run(main())


def made_threads() -> float:
    """A thread made, run and joined."""
    began = time.perf_counter()
    for _ in range(THREADS):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    return (time.perf_counter() - began) / THREADS


def switched_tasks() -> float:
    """From one task to another: both give way SWITCHES times."""

    async def give_way() -> None:
        for _ in range(SWITCHES):
            await asyncio.sleep(0)

    async def main() -> float:
        began = time.perf_counter()
        await asyncio.gather(give_way(), give_way())
        return (time.perf_counter() - began) / (2 * SWITCHES)

    return nalsil.run(main())


def switched_threads() -> float:
    """From one thread to another: each waits until the other lets it go on."""
    ping, pong = threading.Semaphore(0), threading.Semaphore(0)

    def answer() -> None:
        for _ in range(SWITCHES):
            ping.acquire()
            pong.release()

    other = threading.Thread(target=answer)
    other.start()
    began = time.perf_counter()
    for _ in range(SWITCHES):
        ping.release()
        pong.acquire()
    elapsed = time.perf_counter() - began
    other.join()
    return elapsed / (2 * SWITCHES)


Hop = Callable[[Callable[[], object]], Coroutine[Any, Any, object]]


async def _hops(hop: Hop) -> float:
    await hop(int)  # the first one makes the thread
    began = time.perf_counter()
    for _ in range(HOPS):
        await hop(int)
    return (time.perf_counter() - began) / HOPS


def hops() -> float:
    """From a coroutine into a thread and back, by nalsil."""
    return nalsil.run(_hops(nalsil.to_thread))


def stock_hops() -> float:
    """The same by asyncio's own loop and pool."""
    return asyncio.run(_hops(asyncio.to_thread))


def locked() -> float:
    """A lock that nobody else holds taken and given back."""
    lock = threading.Lock()
    began = time.perf_counter()
    for _ in range(100_000):
        with lock:
            pass
    return (time.perf_counter() - began) / 100_000


MEASURED = {
    "task_create": made_tasks,
    "thread_create": made_threads,
    "task_switch": switched_tasks,
    "thread_switch": switched_threads,
    "hop": hops,
    "stock_hop": stock_hops,
    "lock": locked,
}


def main() -> None:
    """Print the best of rounds that take the measurements in turn: what others do only adds."""
    rounds: dict[str, list[float]] = {name: [] for name in MEASURED}
    for _ in range(ROUNDS):
        for name, measure in MEASURED.items():
            rounds[name].append(measure())
    print(json.dumps({name: min(times) for name, times in rounds.items()}))


if __name__ == "__main__":
    main()
