"""Any executor, with a window of so many calls in flight, timed from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any

from nalsil._compare.forms.units import note_raised, note_result
from nalsil._compare.work import Order, Tally, Work

Call = Callable[..., Any]
Done = Callable[[int, "Future[Any]", int], None]


class Window:
    """Keeps so many calls of one function in flight on an executor.

    The function itself is submitted, not a wrapper of ours: where it runs, nalsil need not be.
    """

    def __init__(self, executor: Executor, work: Work, order: Order, tally: Tally) -> None:
        function = work.function(order.function)
        self._executor, self._call, self._items = executor, function.call, work.items
        self._takes_item, self._concurrency = function.takes_item, order.concurrency
        self._tally = tally
        self._ended: SimpleQueue[tuple[int, Future[Any], int]] = SimpleQueue()
        self.latencies: list[int] = []

    def check(self, indices: Sequence[int]) -> None:
        """Run the units, and note the digest of what comes back."""
        self._run(indices, self._note_checked)

    def run(self, indices: Sequence[int]) -> None:
        """Run the units, and note how long each took from submit to its end."""
        self._run(indices, self._note_timed)

    def run_checked(self, indices: Sequence[int]) -> None:
        """Run the units, and note both."""
        self._run(indices, self._note_both)

    def warm(self, indices: Sequence[int]) -> None:
        """Run the units, and note only what they raise."""
        self._run(indices, self._note_raised)

    def _run(self, indices: Sequence[int], note: Done) -> None:
        feed = iter(indices)
        in_flight = sum(self._submit_next(feed) for _ in range(self._concurrency))
        while in_flight:
            index, future, nanoseconds = self._ended.get()
            in_flight += self._submit_next(feed) - 1
            note(index, future, nanoseconds)

    def _submit_next(self, feed: Any) -> int:
        """Submit the next unit; how many that are, one or none."""
        for index in feed:
            arguments = (self._items[index],) if self._takes_item else ()
            end = partial(self._end, index, time.perf_counter_ns())
            self._executor.submit(self._call, *arguments).add_done_callback(end)
            return 1
        return 0

    def _end(self, index: int, began: int, future: Future[Any]) -> None:
        """Called by whichever thread ends the future."""
        self._ended.put((index, future, time.perf_counter_ns() - began))

    def _note_timed(self, index: int, future: Future[Any], nanoseconds: int) -> None:
        self._note_raised(index, future, nanoseconds)
        self.latencies.append(nanoseconds)

    def _note_raised(self, index: int, future: Future[Any], nanoseconds: int) -> None:
        if (error := _error_of(future)) is not None:
            self._tally.failures.note(error)

    def _note_both(self, index: int, future: Future[Any], nanoseconds: int) -> None:
        self._note_checked(index, future, nanoseconds)
        self.latencies.append(nanoseconds)

    def _note_checked(self, index: int, future: Future[Any], nanoseconds: int) -> None:
        if (error := _error_of(future)) is not None:
            note_raised(self._tally, index, error)
            return
        self._tally.check.latencies.append(nanoseconds)
        note_result(self._tally, index, future.result())


def _error_of(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except BaseException as cancelled:
        return cancelled
