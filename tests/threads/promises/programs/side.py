"""The two sides a program is played on: stock's pool and loop, or nalsil's.

The first argument of a program says which. What only nalsil has is left out on the stock side
where that lets the program go on, so that it shows what stock does in its place.

Every line that a program says is part of its transcript.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asks import LET_GO

NALSIL = sys.argv[1] == "nalsil"
VARIANT = sys.argv[2]

LOOK = 0.01 if NALSIL else None
"""Seconds between two looks of a job whether it was cancelled; stock has nothing to look at."""

if NALSIL:
    import nalsil

_ended = threading.Event()


def say(*words: object) -> None:
    """Add a line to the transcript, in one write: two threads may speak."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def pool(max_workers: int, **ours: Any) -> ThreadPoolExecutor:
    """A pool; `ours` are the options that only nalsil's has."""
    if NALSIL:
        return nalsil.ThreadPoolExecutor(max_workers, **ours)
    return ThreadPoolExecutor(max_workers)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a loop of that side, as `asyncio.run` does."""
    if NALSIL:
        return nalsil.run(main)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(main)


def to_thread(fn: Callable[..., Any], *args: Any, **ours: Any) -> Awaitable[Any]:
    if NALSIL:
        return nalsil.to_thread(fn, *args, **ours)
    return asyncio.to_thread(fn, *args)


def call_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any) -> Any:
    """From a job: run a coroutine function on the loop and return its result."""
    if NALSIL:
        return nalsil.from_thread.run(function, *args)
    return asyncio.run_coroutine_threadsafe(function(*args), loop).result()


def wait_until_parked(thread: threading.Thread) -> None:
    """Return once the kernel has not seen the thread run for a while."""
    seen, looks = [""], 0
    while looks < 10:
        with open(f"/proc/self/task/{thread.native_id}/status") as status:
            now = [line for line in status if "_ctxt_" in line]
        looks = looks + 1 if now == seen else 0
        seen = now
        time.sleep(0.01)


def held(begun: Callable[[], object]) -> None:
    """A job that blocks until it is let go; calls `begun` once it runs."""
    say("the job runs")
    begun()
    os.read(0, 1)
    say("the job ends")
    _ended.set()


def held_and_looking(begun: Callable[[], object]) -> None:
    """As `held`, but looks whether it was cancelled."""
    say("the job runs")
    begun()
    while not select.select([0], [], [], LOOK)[0]:
        try:
            nalsil.check_cancelled()
        except asyncio.CancelledError:
            say("the job sees that it was cancelled")
            return
    say("the job ends")


def let_go() -> None:
    """Let the held job go and wait for its end."""
    say(LET_GO)
    _ended.wait()
