"""Work for other threads: executors and the default one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple, Unpack

from nalsil import _nalsil
from nalsil._pool import ThreadPoolExecutor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Executors(_nalsil.EventLoop):
    """The part of a loop that gives work to executors."""

    _default_executor: concurrent.futures.ThreadPoolExecutor | None = None
    _executor_shutdown_called = False

    def _run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        # What run_in_executor() does for the first call, for executors of others, in debug mode.
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        if asyncio.iscoroutine(func) or inspect.iscoroutinefunction(func):
            raise TypeError("coroutines cannot be used with run_in_executor()")
        if not callable(func):
            raise TypeError(f"a callable object was expected by run_in_executor(), got {func!r}")
        if executor is None:
            executor = self._get_default_executor()
        if type(executor) is ThreadPoolExecutor:
            return self._hop_to(executor, func, *args)
        return asyncio.wrap_future(executor.submit(func, *args), loop=self)

    def _get_default_executor(self) -> Executor:
        if self._executor_shutdown_called:
            raise RuntimeError("Executor shutdown has been called")
        if self._default_executor is None:
            self.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        assert self._default_executor is not None
        return self._default_executor

    def set_default_executor(self, executor: Executor) -> None:
        """Set the executor that run_in_executor(None, ...) uses.

        Raises:
            TypeError: if it is not a `concurrent.futures.ThreadPoolExecutor`.
        """
        if not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")
        self._default_executor = executor
        # A subclass may have a submit() of its own.
        self._set_default_pool(executor if type(executor) is ThreadPoolExecutor else None)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """End the default executor and wait for its threads, for `timeout` seconds at most.

        A run out of time is a RuntimeWarning; the threads then end by themselves.
        """
        self._executor_shutdown_called = True
        self._set_default_pool(None)
        executor = self._default_executor
        if executor is None:
            return
        ended: asyncio.Future[None] = self.create_future()
        # Nalsil's pools see to the end of the program themselves, and know when it is enough.
        daemon = isinstance(executor, ThreadPoolExecutor)
        thread = threading.Thread(target=self._shut_down, args=(executor, ended), daemon=daemon)
        thread.start()
        try:
            async with asyncio.timeout(timeout):
                await ended
        except TimeoutError:
            warnings.warn(
                f"The executor did not finish joining its threads within {timeout} seconds.",
                RuntimeWarning,
                stacklevel=2,
            )
            executor.shutdown(wait=False)
        else:
            thread.join()

    def _shut_down(self, executor: Executor, ended: asyncio.Future[None]) -> None:
        try:
            if isinstance(executor, ThreadPoolExecutor):
                executor._shutdown_wanted()
            else:
                executor.shutdown(wait=True)
        except Exception as raised:
            # The name of the clause is gone when the callback runs.
            error = raised
            self._complete(ended, lambda: ended.set_exception(error))
        else:
            self._complete(ended, lambda: ended.set_result(None))

    def _complete(self, future: asyncio.Future[None], complete: Callable[[], None]) -> None:
        def unless_done() -> None:
            if not future.done():
                complete()

        # Nobody waits any more if the loop is closed.
        if not self.is_closed():
            self.call_soon_threadsafe(unless_done)

    def _close_executor(self) -> None:
        self._executor_shutdown_called = True
        executor, self._default_executor = self._default_executor, None
        if executor is not None:
            executor.shutdown(wait=False)
