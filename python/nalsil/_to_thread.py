"""Running a function in a thread and awaiting it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent import futures
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, TypeVarTuple, Unpack

from nalsil import _nalsil
from nalsil._pool import ThreadPoolExecutor

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _ForOtherLoops:
    """The pool for loops that have none of nalsil's. Made when it is first needed."""

    pool: ThreadPoolExecutor | None = None

    @classmethod
    def get(cls) -> ThreadPoolExecutor:
        if cls.pool is None or cls.pool._shutdown:
            cls.pool = ThreadPoolExecutor(thread_name_prefix="nalsil")
        return cls.pool


async def to_thread(
    fn: Callable[[Unpack[Ts]], T],
    *args: *Ts,
    abandon_on_cancel: bool = False,
    limiter: AbstractAsyncContextManager[Any] | None = None,
    cancellable: bool = True,
    copy_back: bool = False,
) -> T:
    """Run fn(*args) in a thread of the loop's default executor and return its result.

    If that executor is not one of nalsil's, a pool of nalsil's own is used instead.

    The context variables of the caller are carried in. When the caller is cancelled, a job that
    has not begun is dropped. One that runs is told, and sees it in `nalsil.check_cancelled()`; the
    call then ends when the job has ended.

    Args:
        abandon_on_cancel: end the call at once instead; the job runs on, and counts as abandoned.
        limiter: an asynchronous context manager, such as `asyncio.Semaphore(10)`, that is entered
            for the time of the call.
        cancellable: whether the job is told.
        copy_back: set the context variables that the job has set in the caller's context as well.

    Raises:
        RuntimeError: if the executor was shut down, or the job raised StopIteration.
        TypeError: if `fn` is not callable.
    """
    if limiter is None:
        return await _run(fn, args, abandon_on_cancel, cancellable, copy_back)
    if not hasattr(limiter, "__aenter__"):
        raise TypeError(
            f"`limiter` must be an asynchronous context manager, got {limiter!r}; hint: "
            "asyncio.Semaphore(n)"
        )
    async with limiter:
        return await _run(fn, args, abandon_on_cancel, cancellable, copy_back)


async def _run(
    fn: Callable[..., T], args: tuple[Any, ...], abandon: bool, cancellable: bool, copy_back: bool
) -> T:
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context() if copy_back else None
    if isinstance(loop, _nalsil.EventLoop):
        loop._get_default_executor()  # type: ignore[attr-defined]
        started = loop._start_hop(cancellable, context, fn, *args)
    else:
        started = None
    if started is None:
        return await _run_elsewhere(loop, fn, args, context, abandon, cancellable)
    future, job = started
    try:
        result: T = await future
    except asyncio.CancelledError:
        if future.cancelled() and not job.cancel() and not abandon:
            await _end_of(job)
        raise
    finally:
        if context is not None:
            _copy_back(context)
    return result


async def _end_of(job: Any) -> None:
    # The caller was cancelled already; another cancellation changes nothing.
    while (ended := job.ended()) is not None:
        try:
            await ended
        except asyncio.CancelledError:
            continue


async def _run_elsewhere(
    loop: asyncio.AbstractEventLoop,
    fn: Callable[..., T],
    args: tuple[Any, ...],
    context: contextvars.Context | None,
    abandon: bool,
    cancellable: bool,
) -> T:
    where = contextvars.copy_context() if context is None else context
    _nalsil.check_job(fn, "to_thread")
    executor = getattr(loop, "_default_executor", None)
    if not isinstance(executor, ThreadPoolExecutor):
        executor = _ForOtherLoops.get()
    job = executor.submit(where.run, _guarded, fn, args)
    future = asyncio.wrap_future(job, loop=loop)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if future.done():
            raise
        if cancellable or not job.running():
            job.cancel()
        while not abandon and not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        future.add_done_callback(_report_unless_cancelled)
        raise
    finally:
        if context is not None:
            _copy_back(context)


def _guarded(fn: Callable[..., T], args: tuple[Any, ...]) -> T:
    try:
        return fn(*args)
    except StopIteration as error:
        # A future of asyncio's cannot hold it, and up to Python 3.12 nobody would be told.
        raise RuntimeError("the job raised StopIteration") from error


def _report_unless_cancelled(future: asyncio.Future[Any]) -> None:
    # Nobody awaits it any more.
    error = None if future.cancelled() else future.exception()
    if error is None or isinstance(error, asyncio.CancelledError | futures.CancelledError):
        return
    future.get_loop().call_exception_handler(
        {
            "message": "Exception in a job in a thread whose caller was cancelled",
            "exception": error,
            "future": future,
        }
    )


def _copy_back(context: contextvars.Context) -> None:
    for variable, value in context.items():
        try:
            if variable.get() is value:
                continue
        except LookupError:
            pass
        variable.set(value)
