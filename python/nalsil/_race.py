"""The first of several tries to succeed, begun one after another: RFC 8305, happy eyeballs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def race(
    tries: Iterable[T],
    run: Callable[[T], Awaitable[R]],
    delay: float,
    discard: Callable[[R], None],
) -> tuple[R | None, list[OSError]]:
    """Begin the tries `delay` seconds apart, or as soon as one fails; the first to succeed wins.

    A result that comes too late, or that nobody takes because the caller was cancelled, goes to
    `discard`. Returns the winner's result, or
    None and what the tries have raised. Other exceptions than OSError end the race.
    """
    errors: list[OSError] = []
    running: set[asyncio.Task[R]] = set()

    def discard_result(task: asyncio.Task[R]) -> None:
        if not task.cancelled() and task.exception() is None:
            discard(task.result())

    async def call(attempt: T) -> R:
        return await run(attempt)

    async def first_result(timeout: float | None) -> R | None:
        done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        winners = []
        for task in done:
            error = task.exception()
            if error is None:
                winners.append(task)
            elif isinstance(error, OSError):
                running.discard(task)
                errors.append(error)
            else:
                raise error
        if not winners:
            return None
        running.discard(winners[0])
        return winners[0].result()

    async def winner() -> R | None:
        for attempt in tries:
            running.add(asyncio.create_task(call(attempt)))
            result = await first_result(delay)
            if result is not None:
                return result
        while running:
            result = await first_result(None)
            if result is not None:
                return result
        return None

    result: R | None = None
    try:
        result = await winner()
    finally:
        losers = list(running)
        for task in losers:
            task.cancel()
            task.add_done_callback(discard_result)
        if losers:
            try:
                await asyncio.wait(losers)
            except BaseException:
                # Cancelled while the losers end: nobody is there to take the winner.
                if result is not None:
                    discard(result)
                raise
    return result, errors
