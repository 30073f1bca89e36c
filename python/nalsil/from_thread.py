"""From a job in a thread back into the loop that awaits it.

>>> import nalsil
>>> async def double(number: int) -> int:
...     return 2 * number
>>> def job() -> int:
...     return nalsil.from_thread.run(double, 21)
>>> nalsil.run(nalsil.to_thread(job))
42
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple, Unpack

from nalsil import _nalsil
from nalsil._nalsil import check_cancelled

__all__ = ["check_cancelled", "run", "run_sync"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(coro_fn: Callable[[Unpack[Ts]], Coroutine[Any, Any, T]], *args: *Ts) -> T:
    """Run a coroutine function as a task of the loop that awaits this job, and return its result.

    The task runs in a copy of the job's context.

    Raises:
        RuntimeError: outside of a job that a nalsil loop awaits, in the loop's own thread, or if
            the loop is closed.
        PoolDeadlock: if the coroutine needs a thread and there can be none.
        TypeError: if `coro_fn` is not a coroutine function.
        concurrent.futures.CancelledError: if the task was cancelled.
    """
    result: T = _nalsil.run_from_thread(coro_fn, *args)
    return result


def run_sync(fn: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
    """Call a function in the thread of the loop that awaits this job, and return its result.

    Raises:
        RuntimeError: outside of a job that a nalsil loop awaits, in the loop's own thread, or if
            the loop is closed.
    """
    result: T = _nalsil.run_sync_from_thread(fn, *args)
    return result
