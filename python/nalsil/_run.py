"""Making loops and running programs on them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from nalsil._event_loop import EventLoop

T = TypeVar("T")


def new_event_loop() -> EventLoop:
    """Return a new loop, for `asyncio.Runner(loop_factory=nalsil.new_event_loop)`."""
    return EventLoop()


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a coroutine on a new loop and return its result, like `asyncio.run`.

    Cancels what is left of tasks, ends asynchronous generators and the default executor, and
    closes the loop. Ctrl-C cancels the coroutine.

    Args:
        main: the coroutine.
        debug: asyncio's debug mode; None leaves it to the environment.

    Raises:
        RuntimeError: if a loop runs in this thread already.
        ValueError: if `main` is not a coroutine (TypeError since Python 3.14).
    """
    if asyncio._get_running_loop() is not None:
        if asyncio.iscoroutine(main):
            main.close()
        raise RuntimeError(
            "nalsil.run() cannot be called from a running event loop; hint: await the coroutine"
        )
    with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
        return runner.run(main)
