"""The life of a loop: running, ending, and what is reported on the way."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
import warnings
import weakref
from asyncio import events, format_helpers, futures, tasks
from asyncio.log import logger
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, TypeVar

from nalsil._executors import Executors
from nalsil._signals import Signals

T = TypeVar("T")

_set_native_running_loop = events._set_running_loop
"""asyncio's own, which its native tasks belong to."""

ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


def _debug_by_default() -> bool:
    asked = not sys.flags.ignore_environment and bool(os.environ.get("PYTHONASYNCIODEBUG"))
    return sys.flags.dev_mode or asked


class Life(Executors, Signals):
    """A loop that runs, stops, closes and reports."""

    def __init__(self) -> None:
        super().__init__()
        self._exception_handler: ExceptionHandler | None = None
        self._asyncgens: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._asyncgens_shutdown_called = False
        self._old_asyncgen_hooks: Any = None
        self._origin_tracking_depth: int | None = None
        self.set_debug(_debug_by_default())

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} running={self.is_running()} "
            f"closed={self.is_closed()} debug={self.get_debug()}>"
        )

    # Running

    def _check_running(self) -> None:
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        if events._get_running_loop() is not None:
            raise RuntimeError("Cannot run the event loop while another loop is running")

    def _enter(self) -> None:
        self._old_asyncgen_hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
        )
        self._track_coroutine_origins(self.get_debug())
        self._listen_to_signals()
        self._set_running(self)

    def _leave(self) -> None:
        self._set_running(None)
        self._track_coroutine_origins(False)
        sys.set_asyncgen_hooks(*self._old_asyncgen_hooks)
        self._old_asyncgen_hooks = None
        self._ignore_signals()

    def _set_running(self, loop: asyncio.AbstractEventLoop | None) -> None:
        events._set_running_loop(loop)
        # Something may stand in the place of asyncio's function; native tasks ask the native one.
        if events._set_running_loop is not _set_native_running_loop:
            _set_native_running_loop(loop)

    def _track_coroutine_origins(self, enabled: bool) -> None:
        if enabled == (self._origin_tracking_depth is not None):
            return
        if enabled:
            self._origin_tracking_depth = sys.get_coroutine_origin_tracking_depth()
            sys.set_coroutine_origin_tracking_depth(10)
        else:
            sys.set_coroutine_origin_tracking_depth(self._origin_tracking_depth or 0)
            self._origin_tracking_depth = None

    def set_debug(self, enabled: bool) -> None:
        """Turn asyncio's debug mode on or off."""
        self._set_debug(bool(enabled))
        if self.is_running():
            self.call_soon_threadsafe(self._track_coroutine_origins, bool(enabled))

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until a future or coroutine is done, and return its result.

        Raises:
            RuntimeError: if the loop is closed, runs already, or is stopped before the end.
        """
        self._check_closed()
        self._check_running()
        made_here = not futures.isfuture(future)
        task: Any = tasks.ensure_future(future, loop=self)  # type: ignore[arg-type]
        if made_here:
            # Nobody else has the task, so nobody needs the warning that it was never finished.
            task._log_destroy_pending = False
        task.add_done_callback(_stop_loop_of)
        try:
            self.run_forever()
        except BaseException:
            if made_here and task.done() and not task.cancelled():
                # The exception was raised through the run; it needs no second report.
                task.exception()
            raise
        finally:
            task.remove_done_callback(_stop_loop_of)
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        result: T = task.result()
        return result

    def close(self) -> None:
        """Close the loop: drop what waits, and end the default executor without waiting.

        Raises:
            RuntimeError: if the loop runs.
        """
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        if self.get_debug():
            logger.debug("Close %r", self)
        self._close_signals()
        self._close()
        self._close_executor()

    def __del__(self, _warn: Callable[..., object] = warnings.warn) -> None:
        # A constructor that failed leaves an object without the parts that close() needs.
        # Its dictionary must not be asked for: made now, it would keep what is to go for one more
        # round of the collector.
        if not hasattr(self, "_asyncgens") or self.is_closed():
            return
        _warn(f"unclosed event loop {self!r}", ResourceWarning, source=self)
        if not self.is_running():
            self.close()

    # Asynchronous generators

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        if self._asyncgens_shutdown_called:
            warnings.warn(
                f"asynchronous generator {agen!r} was scheduled after "
                "loop.shutdown_asyncgens() call",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
        self._asyncgens.add(agen)

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.discard(agen)
        if not self.is_closed():
            self.call_soon_threadsafe(self.create_task, agen.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close the asynchronous generators that were begun and not ended."""
        self._asyncgens_shutdown_called = True
        closing = list(self._asyncgens)
        self._asyncgens.clear()
        results = await asyncio.gather(*[agen.aclose() for agen in closing], return_exceptions=True)
        for agen, result in zip(closing, results, strict=True):
            if isinstance(result, Exception):
                self.call_exception_handler(
                    {
                        "message": "an error occurred during closing of "
                        f"asynchronous generator {agen!r}",
                        "exception": result,
                        "asyncgen": agen,
                    }
                )

    # Reports

    def get_exception_handler(self) -> ExceptionHandler | None:
        """Return the exception handler, or None for the default one."""
        return self._exception_handler

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        """Set handler(loop, context), to be called with exceptions that nobody awaits.

        Raises:
            TypeError: if `handler` is neither callable nor None.
        """
        if handler is not None and not callable(handler):
            raise TypeError(f"A callable object or None is expected, got {handler!r}")
        self._exception_handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log a context of call_exception_handler() to the logger "asyncio"."""
        lines = [context.get("message") or "Unhandled exception in event loop"]
        exception = context.get("exception")
        for key in sorted(context):
            if key in {"message", "exception"}:
                continue
            value = context[key]
            if key in {"source_traceback", "handle_traceback"}:
                what = "Object" if key == "source_traceback" else "Handle"
                stack = "".join(traceback.format_list(value)).rstrip()
                lines.append(f"{what} created at (most recent call last):\n{stack}")
            else:
                lines.append(f"{key}: {value!r}")
        logger.error("\n".join(lines), exc_info=exception or False)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Give a context to the exception handler.

        The keys are asyncio's: 'message', and where they apply 'exception', 'future', 'task',
        'handle', 'protocol', 'transport', 'socket', 'asyncgen', 'source_traceback'.
        """
        handler = self._exception_handler
        if handler is None:
            self._log_safely(context)
            return
        try:
            where = _context_of(context)
            if where is None:
                handler(self, context)
            else:
                where.run(handler, self, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._log_safely(
                {
                    "message": "Unhandled error in exception handler",
                    "exception": error,
                    "context": context,
                }
            )

    def _log_safely(self, context: dict[str, Any]) -> None:
        try:
            self.default_exception_handler(context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            # The last resort: an overridden default handler, or a repr, has failed.
            logger.error("Exception in default exception handler", exc_info=True)

    def _format_callback(self, callback: Any, args: tuple[Any, ...]) -> str:
        return format_helpers._format_callback_source(callback, args)

    def _report_slow(self, what: Any, seconds: float) -> None:
        owner = getattr(getattr(what, "_callback", None), "__self__", None)
        name = repr(owner) if isinstance(owner, asyncio.Task) else str(what)
        logger.warning("Executing %s took %.3f seconds", name, seconds)


def _stop_loop_of(future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and isinstance(future.exception(), (SystemExit, KeyboardInterrupt)):
        # It was raised through the run, which has ended by that.
        return
    future.get_loop().stop()


def _context_of(context: dict[str, Any]) -> Any:
    for key in ("task", "future", "handle"):
        thing = context.get(key)
        if thing is not None:
            get_context = getattr(thing, "get_context", None)
            return get_context() if get_context is not None else None
    return None
