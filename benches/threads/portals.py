"""Calls from a plain thread into a loop that runs in another one."""

import asyncio
import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import loops

from threads.hops import Work, answer, answer_of_coroutine
from threads.meter import Meter, Timing

Call = Callable[[Callable[[], Any]], int]

COUNT = 200


@contextmanager
def loop_in_thread(name: str) -> Iterator[asyncio.AbstractEventLoop]:
    """Loop `name`, running in a thread until the block ends."""
    loop = loops.factory(name)()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def blocking_portal(contender: str) -> AbstractContextManager[Any]:
    """The portal object of `contender`, to be used in a `with` block."""
    if contender == "nalsil":
        portal: AbstractContextManager[Any] = importlib.import_module("nalsil").Portal()
        return portal
    opened: AbstractContextManager[Any]
    opened = importlib.import_module("anyio.from_thread").start_blocking_portal()
    return opened


@contextmanager
def entrance(contender: str) -> Iterator[Call]:
    """What calls a coroutine function in the loop of `contender` and returns its result."""
    if contender in ("nalsil", "anyio"):
        with blocking_portal(contender) as portal:
            yield portal.call
        return
    with loop_in_thread("nalsil" if contender == "nalsil-loop" else contender) as loop:
        yield lambda function: asyncio.run_coroutine_threadsafe(function(), loop).result()


def calls(function: Callable[[], Any]) -> Work:
    """The work that calls `function` through the portal again and again."""

    def work(contender: str, timing: Timing) -> dict[str, Any]:
        meter = Meter(timing)
        with entrance(contender) as call:
            for _ in meter.turns():
                right = 0
                for _ in range(COUNT):
                    right += call(function)
                meter.add(right, of=COUNT)
        return meter.result()

    return work


WORKS: dict[str, Work] = {
    "portal/call-coroutine": calls(answer_of_coroutine),
    "portal/call-function": calls(answer),
}
