"""A unit of the work, as the forms call it."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from nalsil._compare.digest import Digest
from nalsil._compare.work import Check, Tally

Call = Callable[..., Any]
Unit = Callable[[Any], None]


class NotAwaited(TypeError):
    """A `def` has returned something to be awaited."""


def guarded(call: Call, takes_item: bool, tally: Tally) -> Unit:
    """Return a call whose result is let go at once and whose exception is counted."""
    note = tally.failures.note

    def with_item(item: Any) -> None:
        try:
            call(item)
        except BaseException as error:
            note(error)

    def without(_: Any) -> None:
        try:
            call()
        except BaseException as error:
            note(error)

    return with_item if takes_item else without


def checked(call: Call, takes_item: bool, tally: Tally) -> Callable[[tuple[int, Any]], None]:
    """Return a call with an index and an item that notes the digest of what comes back."""

    def unit(indexed: tuple[int, Any]) -> None:
        index, item = indexed
        began = time.perf_counter_ns()
        try:
            result = call(item) if takes_item else call()
        except BaseException as error:
            tally.fork.check()
            note_raised(tally, index, error)
            return
        tally.fork.check()
        tally.check.latencies.append(time.perf_counter_ns() - began)
        note_result(tally, index, result)

    return unit


def note_result(tally: Tally, index: int, result: Any) -> None:
    """Note the digest of a result."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        note_raised(tally, index, NotAwaited("the function returned a coroutine: write async def"))
        return
    digest = Digest(result)
    tally.check.opaque |= digest.opaque
    _keep(tally.check, index, digest.value)


def note_raised(tally: Tally, index: int, error: BaseException) -> None:
    """Note an exception in place of a result."""
    failure = tally.failures.note(error)
    _keep(tally.check, index, f"raised {failure.type}")


def _keep(check: Check, index: int, value: str) -> None:
    if check.digests.setdefault(index, value) != value:
        check.digests[index] = "changing"
