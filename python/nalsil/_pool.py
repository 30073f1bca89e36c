"""The thread pool."""

from __future__ import annotations

import concurrent.futures
import itertools
import math
import operator
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from nalsil import _exit, _nalsil
from nalsil._future import Future
from nalsil._stacks import stacks_of
from nalsil._workers import SMALLEST_STACK, Workers

T = TypeVar("T")

_numbers = itertools.count()

LOOK_AGAIN = 0.05
"""Seconds between two looks at which jobs are abandoned."""

MOST = 2**31 - 1
"""The largest number that any parameter may have."""


def _default_size() -> int:
    count = getattr(os, "process_cpu_count", os.cpu_count)()
    return min(32, (count or 1) + 4)


def _whole(value: Any, name: str, least: int, without: str = "") -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        kinds = "an integer or None" if without else "an integer"
        raise TypeError(f"`{name}` must be {kinds}, got {value!r}") from None
    hint = f"; hint: None is {without}" if without else ""
    if number < least:
        if name == "max_workers":
            raise ValueError(f"max_workers must be greater than 0, got {number}{hint}")
        raise ValueError(f"`{name}` must be {least} or more, got {number}{hint}")
    if number > MOST:
        raise ValueError(f"`{name}` must be {MOST} at most, got {number}{hint}")
    return number


def _seconds(value: object, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"`{name}` must be a number of seconds or None, got {value!r}")
    if not value >= 0:
        raise ValueError(f"`{name}` must be 0 seconds or more, got {value}; hint: None is no end")
    return None if math.isinf(value) else float(value)


class ThreadPoolExecutor(_nalsil.ThreadPool, concurrent.futures.ThreadPoolExecutor):
    """A `concurrent.futures.ThreadPoolExecutor` with a native queue, workers and wake-ups.

    Args:
        max_workers: threads that run jobs at a time; by default four more than there are
            processors, 32 at most.
        thread_name_prefix: names are the prefix, an underscore and a number.
        initializer: called with `initargs` in each new thread. If it raises, the pool is broken.
        min_workers: threads that stay however long they idle.
        idle_timeout: seconds of idleness after which a thread ends; None for never.
        max_queue: jobs that may wait; submit() waits for room. None for no bound.
        stack_size: bytes of stack per thread; None for the system's own size. It is address space,
            not memory: what a thread does not touch costs nothing.
        context: "copy" runs each job in a copy of the context in which it was submitted, None in
            the thread's own.
        max_overflow: threads above `max_workers` that may stand in for those that wait for the
            pool itself; by default as many as `max_workers`, 32 at least.
        exit_timeout: seconds for which the end of the program waits for the jobs.

    Raises:
        TypeError, ValueError: for what is none of these.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        *,
        min_workers: int = 0,
        idle_timeout: float | None = 10.0,
        max_queue: int | None = None,
        stack_size: int | None = None,
        context: str | None = "copy",
        max_overflow: int | None = None,
        exit_timeout: float | None = 300.0,
    ) -> None:
        size = _default_size()
        if max_workers is not None:
            size = _whole(max_workers, "max_workers", 1, "the default size")
        least = _whole(min_workers, "min_workers", 0)
        if least > size:
            raise ValueError(
                f"`min_workers` ({least}) is more than `max_workers` ({size}); hint: raise "
                "`max_workers` to it"
            )
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if context not in ("copy", None):
            raise ValueError(f'`context` must be "copy" or None, got {context!r}')
        if not isinstance(thread_name_prefix, str):
            raise TypeError(f"`thread_name_prefix` must be a string, got {thread_name_prefix!r}")
        if not isinstance(initargs, Iterable):
            raise TypeError(f"`initargs` must be a tuple of arguments, got {initargs!r}")
        queue = None if max_queue is None else _whole(max_queue, "max_queue", 1, "no bound")
        overflow = max(size, 32)
        if max_overflow is not None:
            overflow = _whole(max_overflow, "max_overflow", 0, "the default")
        self._max_workers = size
        self._initializer = initializer  # type: ignore[assignment]
        self._initargs = tuple(initargs)
        self._thread_name_prefix = thread_name_prefix or f"ThreadPoolExecutor-{next(_numbers)}"
        self._workers = Workers(
            self._thread_name_prefix,
            initializer,
            self._initargs,
            _checked_stack(stack_size),
            _seconds(exit_timeout, "exit_timeout"),
        )
        self._open(
            self._workers,
            size,
            overflow,
            least,
            queue,
            _seconds(idle_timeout, "idle_timeout"),
            context == "copy",
        )
        self._workers.view = self._view()
        _exit.watch(self)

    def __repr__(self) -> str:
        threads, queued = len(self._threads), self._queued()
        return (
            f"<{type(self).__name__} {self._thread_name_prefix} threads={threads} "
            f"max_workers={self._max_workers} queued={queued} shutdown={self._shutdown}>"
        )

    # What programs and tests read of the standard pool

    @property
    def _threads(self) -> set[threading.Thread]:  # type: ignore[override]
        return self._workers.threads

    @property
    def _work_queue(self) -> QueueView:  # type: ignore[override]
        return QueueView(self)

    @property
    def _shutdown(self) -> bool:  # type: ignore[override]
        return self._is_closed()

    @property
    def _broken(self) -> str | bool:  # type: ignore[override]
        return self._broken_reason() or False

    # Submitting

    def options(
        self, *, priority: int = 0, block: bool = True, timeout: float | None = None
    ) -> Options:
        """Return a view of the pool whose submit() and map() have other options.

        Args:
            priority: higher runs first; within one priority, first come, first served.
            block: whether to wait while a bounded queue is full, or raise QueueFull at once.
            timeout: seconds after which the wait raises QueueFull.
        """
        if not isinstance(block, bool):
            raise TypeError(f"`block` must be True or False, got {block!r}")
        if timeout is not None and not block:
            raise ValueError(
                "`timeout` has no meaning with block=False; hint: leave one of them out"
            )
        rank = _whole(priority, "priority", -MOST)
        return Options(self, rank, block, _seconds(timeout, "timeout"))

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator over fn(*items), in the order of the items.

        Args:
            timeout: seconds from now after which the iterator raises TimeoutError.
            chunksize: has no meaning for threads; as in the standard library.
            buffersize: jobs that are submitted and whose results were not taken; the next item is
                then not fetched. None submits all at once.
        """
        # The iterator does not keep the pool: its jobs are waited for without it.
        pool = weakref.ref(self)

        def submit_later() -> Submit | None:
            return None if (found := pool()) is None else found.submit

        return _map(self.submit, submit_later, fn, iterables, timeout, buffersize)

    # The end

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None
    ) -> None:
        """Take no more jobs.

        Args:
            wait: whether to wait until every job is done and every thread has ended.
            cancel_futures: whether jobs that have not begun are cancelled.
            timeout: seconds for the wait.

        Raises:
            TimeoutError: when they are over; the jobs that still run are named.
        """
        seconds = _seconds(timeout, "timeout")
        self._close(cancel_futures)
        if wait:
            self._join(seconds)

    def _join(self, timeout: float | None) -> None:
        if threading.current_thread() in self._threads:
            raise RuntimeError(
                "shutdown() was called by a job of the pool, which would wait for itself; hint: "
                "shutdown(wait=False)"
            )
        if not self._workers.wait(timeout):
            raise TimeoutError(self._what_runs())

    def _shutdown_wanted(self) -> None:
        """Take no more jobs, and wait for those that somebody waits for."""
        self.shutdown(wait=False)
        # Nothing tells when a job is abandoned, so this looks again now and then.
        while not self._workers.only_abandoned() and not self._workers.wait(LOOK_AGAIN):
            pass

    def _what_runs(self) -> str:
        jobs = self._running()
        names = ", ".join(f"{name} for {seconds:.1f} s" for _, name, seconds, _ in jobs)
        return (
            f"the pool did not end in time: {names or 'its threads are about to end'}; "
            f"{self._queued()} jobs wait\n{stacks_of(thread for thread, *_ in jobs)}"
        )

    # Numbers

    def statistics(self) -> dict[str, Any]:
        """Return what the pool has counted, and how it stands.

        Numbers: workers, idle, blocked, max_workers, queued, running, submitted, completed, failed,
        cancelled, abandoned, threads_started, threads_retired, overflow, and saturated: the jobs
        that found every worker busy and the pool at its size.

        Times, each a dict of count, mean, p50, p99 and max in seconds: queue_wait from submit() to
        the start, gil_wait that part of it in which a worker was awake and waited for the
        interpreter, run, and wake from the end of a job to the moment when who waited goes on.
        Percentiles are exact to an eighth.

        functions: by qualified name count, failed, queue_wait and run.
        """
        numbers = self._statistics()
        numbers["abandoned"] += sum(abandoned for *_, abandoned in self._running())
        return numbers


class QueueView:
    """The queue of a pool, for those who look at its length."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def qsize(self) -> int:
        """Return how many jobs wait."""
        return self._pool._queued()


class Options:
    """A view of a pool with other options; see ThreadPoolExecutor.options()."""

    def __init__(
        self, pool: ThreadPoolExecutor, priority: int, block: bool, timeout: float | None
    ) -> None:
        self._pool = pool
        self._priority = priority
        self._block = block
        self._timeout = timeout

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Like ThreadPoolExecutor.submit().

        Raises:
            QueueFull: if the queue is full, at once or when the timeout is over.
        """
        future: Future[T] = self._pool._submit(
            fn, args, kwargs, self._priority, self._block, self._timeout
        )
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Like ThreadPoolExecutor.map()."""
        return _map(self.submit, lambda: self.submit, fn, iterables, timeout, buffersize)


def _checked_stack(size: int | None) -> int | None:
    if size is None:
        return None
    if _whole(size, "stack_size", -MOST, "the system's size") < SMALLEST_STACK:
        raise ValueError(
            f"`stack_size` must be {SMALLEST_STACK} bytes or more, got {size}: with less, ordinary "
            "recursion ends the process; hint: a stack takes address space, memory only where it "
            "is used, so a small one saves next to nothing"
        )
    return size


Submit = Callable[..., Future[Any]]


def _map(
    submit: Submit,
    submit_later: Callable[[], Submit | None],
    fn: Callable[..., T],
    iterables: tuple[Iterable[Any], ...],
    timeout: float | None,
    buffersize: int | None,
) -> Iterator[T]:
    if buffersize is not None:
        if isinstance(buffersize, bool) or not isinstance(buffersize, int):
            raise TypeError(f"buffersize must be an integer or None, got {buffersize!r}")
        if buffersize < 1:
            raise ValueError(f"buffersize must be None or > 0, got {buffersize}")
    end = None if timeout is None else time.monotonic() + timeout
    items = zip(*iterables, strict=False)
    futures = deque(submit(fn, *item) for item in itertools.islice(items, buffersize))
    return _results(submit_later, fn, items, futures, end)


def _results(
    submit_later: Callable[[], Submit | None],
    fn: Callable[..., T],
    items: Iterator[tuple[Any, ...]],
    futures: deque[Future[T]],
    end: float | None,
) -> Iterator[T]:
    # A generator: what is left is cancelled when it is closed or dropped.
    try:
        while futures:
            if (submit := submit_later()) is not None:
                futures.extend(submit(fn, *item) for item in itertools.islice(items, 1))
            del submit
            left = None if end is None else end - time.monotonic()
            yield _result_or_cancel(futures.popleft(), left)
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel(future: Future[T], timeout: float | None) -> T:
    try:
        result: T = future.result(timeout)
        return result
    finally:
        # Does nothing to one that is done.
        future.cancel()
