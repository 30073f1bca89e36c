"""From a loop into a thread and back: `to_thread`, the default executor, and calls from a job."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

import loops

from threads.meter import Meter, Timing

Hop = Callable[..., Awaitable[int]]
Batch = Callable[[str, int], Awaitable[int]]
Work = Callable[[str, Timing], dict[str, Any]]

HOP = {"nalsil.to_thread": ("nalsil", "to_thread"), "anyio": ("anyio.to_thread", "run_sync")}
"""Module and function of those who have a hop of their own; the others use asyncio's."""

LOOP = {"nalsil.to_thread": "nalsil", "anyio": "asyncio", "stock": "asyncio"}
"""The loop below a contender that is not called like its loop."""


def answer() -> int:
    """The shortest job."""
    return 1


async def answer_of_coroutine() -> int:
    """The shortest coroutine."""
    return 1


def hop(contender: str) -> Hop:
    """The function that runs a job in a thread."""
    module, name = HOP.get(contender, ("asyncio", "to_thread"))
    found: Hop = getattr(importlib.import_module(module), name)
    return found


def runner(contender: str) -> asyncio.Runner:
    """A runner on the loop of `contender`."""
    return loops.runner(LOOP.get(contender, contender))


async def sequential(contender: str, count: int) -> int:
    to_thread, right = hop(contender), 0
    for _ in range(count):
        right += await to_thread(answer)
    return right


async def run_in_executor(contender: str, count: int) -> int:
    loop, right = asyncio.get_running_loop(), 0
    for _ in range(count):
        right += await loop.run_in_executor(None, answer)
    return right


async def gather(contender: str, count: int) -> int:
    to_thread = hop(contender)
    return sum(await asyncio.gather(*(to_thread(answer) for _ in range(count))))


async def from_thread(contender: str, count: int) -> int:
    back = way_back(contender)
    return await hop(contender)(lambda: sum(back() for _ in range(count)))


def way_back(contender: str) -> Callable[[], int]:
    """What a job calls to run `answer_of_coroutine` on the running loop."""
    if contender in ("nalsil", "anyio"):
        run: Callable[..., int] = importlib.import_module(f"{contender}.from_thread").run
        return lambda: run(answer_of_coroutine)
    loop, submit = asyncio.get_running_loop(), asyncio.run_coroutine_threadsafe
    return lambda: submit(answer_of_coroutine(), loop).result()


def repeated(batch: Batch, count: int) -> Work:
    """The work that repeats `batch` of `count` operations."""

    async def measure(contender: str, meter: Meter) -> dict[str, Any]:
        for _ in meter.turns():
            meter.add(await batch(contender, count), of=count)
        return meter.result()

    def work(contender: str, timing: Timing) -> dict[str, Any]:
        with runner(contender) as running:
            return running.run(measure(contender, Meter(timing)))

    return work


WORKS: dict[str, Work] = {
    "to_thread/sequential": repeated(sequential, 200),
    "to_thread/run_in_executor": repeated(run_in_executor, 200),
    "to_thread/gather-1000": repeated(gather, 1_000),
    "portal/from_thread.run": repeated(from_thread, 200),
}
