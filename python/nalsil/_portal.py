"""A loop in a thread of its own, for programs that have none."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from nalsil._event_loop import EventLoop
from nalsil._future import Future
from nalsil._run import new_event_loop

T = TypeVar("T")


_portals: weakref.WeakSet[Portal] = weakref.WeakSet()


class Portal:
    """A loop in a background thread, called from synchronous programs and user interfaces.

    >>> import asyncio, nalsil
    >>> with nalsil.Portal() as portal:
    ...     portal.call(asyncio.sleep, 0, "woven")
    'woven'

    Args:
        debug: asyncio's debug mode; None leaves it to the environment.
        name: the name of the thread.
    """

    def __init__(self, *, debug: bool | None = None, name: str = "nalsil-portal") -> None:
        if not isinstance(name, str):
            raise TypeError(f"`name` must be a string, got {name!r}")
        self._debug = debug
        self._name = name
        self._loop: EventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending: asyncio.Event | None = None
        self._cancel_pending = False
        self._lock = threading.Lock()
        self._closed = False
        _portals.add(self)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "idle" if self._loop is None else "running"
        return f"<Portal {self._name} {state}>"

    @property
    def loop(self) -> EventLoop:
        """The loop.

        Raises:
            RuntimeError: if the portal was not started, or is closed.
        """
        loop = self._loop
        if loop is None or self._closed:
            raise RuntimeError(
                "the portal is closed; hint: make another one"
                if self._closed
                else "the portal is not started; hint: call start(), or use it in a `with` block"
            )
        return loop

    def start(self) -> None:
        """Start the thread, and return when the loop runs.

        Raises:
            RuntimeError: if it was started before, or no thread can be started.
        """
        with self._lock:
            if self._closed or self._thread is not None:
                state = "closed" if self._closed else "started"
                raise RuntimeError(f"the portal was {state} already; hint: make another one")
            running: Future[EventLoop] = Future()
            thread = threading.Thread(
                target=self._run, args=(running,), name=self._name, daemon=True
            )
            thread.start()
            self._thread = thread
        try:
            self._loop = running.result()
        except BaseException:
            self._closed = True
            raise

    def _run(self, running: Future[EventLoop]) -> None:
        try:
            with asyncio.Runner(debug=self._debug, loop_factory=new_event_loop) as runner:
                runner.run(self._serve(running))
        except BaseException as error:
            if running.done():
                raise
            running.set_exception(error)

    async def _serve(self, running: Future[EventLoop]) -> None:
        self._ending = asyncio.Event()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, EventLoop)
        running.set_result(loop)
        await self._ending.wait()
        own = asyncio.current_task()
        while tasks := asyncio.all_tasks() - {own}:
            if self._cancel_pending:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks)

    @overload
    def call(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T: ...
    @overload
    def call(self, fn: Callable[..., T], *args: Any) -> T: ...
    def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call a function in the loop's thread, or run a coroutine function as a task there.

        Context variables are carried in. Returns the result.

        Raises:
            RuntimeError: if the portal is not running, or in the loop's own thread.
            concurrent.futures.CancelledError: if the task was cancelled.
        """
        return self.loop._call_from_thread(fn, *args)

    @overload
    def submit(self, fn: Callable[..., Awaitable[T]], *args: Any) -> Future[T]: ...
    @overload
    def submit(self, fn: Callable[..., T], *args: Any) -> Future[T]: ...
    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        """Like call(), without waiting. Cancelling the future cancels the task."""
        future: Future[Any] = self.loop._submit_from_thread(fn, *args)
        return future

    def close(self, *, cancel_pending: bool = False) -> None:
        """Wait for the tasks, end the loop and its thread. A second call does nothing.

        Args:
            cancel_pending: cancel the tasks first.

        Raises:
            RuntimeError: in the loop's own thread.
        """
        with self._lock:
            thread, loop = self._thread, self._loop
            if thread is threading.current_thread():
                raise RuntimeError(
                    "Portal.close() was called in the portal's own thread, which would wait for "
                    "itself; hint: close it where it was started"
                )
            already, self._closed = self._closed, True
        if thread is None or loop is None:
            return
        if not already:
            self._cancel_pending = cancel_pending
            assert self._ending is not None
            loop.call_soon_threadsafe(self._ending.set)
        thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(cancel_pending=error is not None)


def _after_fork_in_child() -> None:
    # The threads are those of the parent, and so is what their locks say.
    for portal in list(_portals):
        portal._lock = threading.Lock()
        portal._closed = True
        portal._thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
