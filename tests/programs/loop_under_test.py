"""The loop the programs run on, and what is checked after each of them.

That no file descriptor is left open, or closed twice, is checked for every test of this project.

The environment variable ``NALSIL_TEST_LOOP`` names a module that has ``new_event_loop``:
``nalsil`` (the default), ``asyncio`` or ``uvloop``.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LOOP_MODULE = os.environ.get("NALSIL_TEST_LOOP", "nalsil")

HANG_SECONDS = 30.0
"""A program that takes this long is stuck: each needs a second or two.

Shorter than every test's hang guard, since this one still knows at which `await` it happened.
"""


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a loop of the module under test."""
    loop: asyncio.AbstractEventLoop = importlib.import_module(LOOP_MODULE).new_event_loop()
    return loop


class Complaints(logging.Handler):
    """Collects what a program did not raise: reports to the loop's handler and error records."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the place of the loop's exception handler."""
        loop.set_exception_handler(self._handle)

    def _handle(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.texts.append(f"exception handler: {context!r}")

    def emit(self, record: logging.LogRecord) -> None:
        # asyncio warns of what it could not do; the libraries' own warnings are their business.
        if record.levelno >= logging.ERROR or record.name == "asyncio":
            self.texts.append(f"log of {record.name}: {self.format(record)}")


@contextmanager
def no_complaints() -> Iterator[Complaints]:
    """Check that the block reports no error to the loop's handler or to a log."""
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        yield complaints
        # Tasks and transports that nobody finished complain when they are collected.
        gc.collect()
    except BaseException as error:
        for text in complaints.texts:
            error.add_note(text)
        raise
    finally:
        logging.getLogger().removeHandler(complaints)
    assert complaints.texts == []


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``main`` to its end on a new loop, under the hang guard and the checks."""

    async def guarded() -> T:
        async with asyncio.timeout(HANG_SECONDS):
            return await main()

    with no_complaints() as complaints, asyncio.Runner(loop_factory=new_loop) as runner:
        complaints.watch(runner.get_loop())
        return runner.run(guarded())


def program(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a coroutine function a test that `run` runs."""

    @functools.wraps(test)
    def on_new_loop(*args: P.args, **kwargs: P.kwargs) -> None:
        run(functools.partial(test, *args, **kwargs))

    return on_new_loop


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask a peer again and again, one round trip each, until it says yes."""
    while not await condition():
        await asyncio.sleep(0)
