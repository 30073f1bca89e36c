"""The threads of a pool: what runs once per thread."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import _base
from contextvars import Context
from typing import Any, ClassVar

from nalsil import _nalsil

# Below this a worker overflows its stack in ordinary programs: up to Python 3.13 recursion in C
# code then ends the process, later the interpreter cannot even import a module.
SMALLEST_STACK = 1 << 20 if sys.version_info < (3, 14) else 256 << 10

BROKEN = "a thread initializer failed, the thread pool is not usable anymore"


class Workers:
    """The threads of one pool.

    It knows nothing of the executor, which may be gone while they finish its jobs.
    """

    alive: ClassVar[set[Workers]] = set()
    """Those with threads, in the whole process, until the exit has seen to them."""

    # Signal handlers run between any two lines, and may submit.
    _alive_lock = threading.RLock()
    _stack_size_lock = threading.Lock()

    def __init__(
        self,
        prefix: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        stack_size: int | None,
        exit_timeout: float | None,
    ) -> None:
        self.prefix = prefix
        self.exit_timeout = exit_timeout
        self.view: _nalsil.PoolView | None = None
        self._initializer = initializer
        self._initargs = initargs
        self._stack_size = stack_size
        self._numbers = itertools.count()
        self._threads: set[threading.Thread] = set()
        # A thread is alive for a moment after it has left, and not yet when it is being started.
        self._leaving: set[threading.Thread] = set()
        # Threads on their way to a start are counted, so nobody who waits for the end misses one.
        self._running = 0
        self._ended = threading.Condition(Workers._alive_lock)

    @property
    def threads(self) -> set[threading.Thread]:
        """The threads that live."""
        with self._ended:
            return {thread for thread in self._threads if thread.is_alive()}

    def jobs(self) -> list[tuple[int, str, float, bool]]:
        """The running jobs: thread, name of the function, seconds so far, and whether nobody waits
        for it any more."""
        return [] if self.view is None else self.view.running()

    def only_abandoned(self) -> bool:
        """Whether nobody waits for what still runs, and nothing else is to run.

        For a pool that was shut down, whose workers end when they have no job.
        """
        left = 0 if self.view is None else self.view.unfinished()
        return left == sum(abandoned for *_, abandoned in self.jobs())

    def forget(self) -> None:
        """Drop the threads, which the child of a fork does not have."""
        self._threads = set()
        self._leaving = set()
        self._running = 0
        self._ended = threading.Condition(Workers._alive_lock)

    def wait(self, timeout: float | None) -> bool:
        """Wait until every thread has ended, those on their way to a start included.

        Returns False when `timeout` seconds are over.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._ended:
            if not self._ended.wait_for(lambda: self._running == 0, timeout):
                return False
        # What is left of their lives is their farewell.
        for thread in self.threads:
            thread.join(None if end is None else max(end - time.monotonic(), 0))
        return not self.threads

    @classmethod
    def forget_all(cls) -> None:
        """Forget all threads; a lock may have been taken by one of them."""
        cls._alive_lock = threading.RLock()
        cls._stack_size_lock = threading.Lock()
        for workers in list(cls.alive):
            workers.forget()
        cls.alive.clear()

    def start(self, worker: _nalsil.WorkerThread) -> None:
        """Start a thread for a worker.

        Raises:
            RuntimeError: if the system gives no thread.
        """
        # A daemon, because the end of a program waits for daemons nowhere but in our own hook,
        # which knows when to stop.
        thread = threading.Thread(
            target=self._run,
            args=(worker,),
            name=f"{self.prefix}_{next(self._numbers)}",
            daemon=True,
            **_OWN_CONTEXT(),
        )
        try:
            with self._ended:
                gone = {t for t in self._leaving if not t.is_alive()}
                self._leaving -= gone
                self._threads -= gone
                self._threads.add(thread)
                self._count(1)
            self._start(thread)
        except BaseException:
            # A signal may interrupt the start of a thread that runs all the same, or that was not
            # even counted.
            if worker.never_begins():
                with self._ended:
                    if thread in self._threads:
                        self._threads.discard(thread)
                        self._count(-1)
            raise

    def _count(self, change: int) -> None:
        # Called under the lock.
        self._running += change
        if self._running:
            Workers.alive.add(self)
        else:
            Workers.alive.discard(self)
            self._ended.notify_all()

    def _start(self, thread: threading.Thread) -> None:
        if self._stack_size is None:
            thread.start()
            return
        # The size is a setting of the process. The lock keeps pools from mixing theirs up.
        with Workers._stack_size_lock:
            before = threading.stack_size(self._stack_size)
            try:
                thread.start()
            finally:
                threading.stack_size(before)

    def _run(self, worker: _nalsil.WorkerThread) -> None:
        if not worker.begins():
            return
        try:
            if self._is_ready(worker):
                worker.work()
        finally:
            with self._ended:
                self._leaving.add(threading.current_thread())
                self._count(-1)

    def _is_ready(self, worker: _nalsil.WorkerThread) -> bool:
        try:
            if self._initializer is not None:
                self._initializer(*self._initargs)
        except BaseException:
            _base.LOGGER.critical("Exception in initializer:", exc_info=True)
            worker.fail(BROKEN)
            return False
        return True


def _own_context() -> dict[str, Any]:
    return {"context": Context()}


# Where threads inherit the context of who starts them, that of the first submitter would stay.
_OWN_CONTEXT: Callable[[], dict[str, Any]] = _own_context if sys.version_info >= (3, 14) else dict
