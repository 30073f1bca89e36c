"""Every promise of nalsil's threads, with the way in which stock breaks it.

Each row of the table is one program of `programs/`, played on stock (the pool of
`concurrent.futures` and asyncio's own loop) and on nalsil: what happens, in which order. A row
without a `stock` transcript is a promise that stock keeps too, where the row holds at all; a row
that names a version is strict on both sides of it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import pytest

from .transcript import play

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
THREADS_INHERIT_CONTEXT = getattr(sys.flags, "thread_inherit_context", 0)
"""From 3.14 on, and there by default on free-threaded builds alone."""

FRAMES_OF_STOCK = "run run job" if sys.version_info >= (3, 14) else "run job"


@dataclass(frozen=True)
class Promise:
    """A promise, the program that shows it, and both transcripts, their lines between bars."""

    promise: str
    program: str
    """Its file and variant."""
    nalsil: str
    stock: str | None = None
    """None where stock keeps the promise too: the transcript is the same."""
    reports: tuple[str, ...] = ()
    """What nalsil writes to stderr, as expressions in this order; nothing otherwise."""
    gil: bool | None = None
    """Whether the row is one of builds with the GIL, or of those without; None is of both."""


STUCK = "[stuck, so it is killed] | SIGKILL"
LET_GO = "[stuck, so the job is let go] | the job ends"
"""What stock has to be given before it goes on: it waits until the job ends."""
ENDED = "let the job go | the job ends | exit 0"
CTRL_C = "the job runs | interrupt me | [interrupted]"
INTERRUPTED = f"{CTRL_C} | KeyboardInterrupt | {ENDED}"
HELD_STACK = ("held", r"side\.py.*in held")
BUSY_STACK = ("busy", r"stuck_at_exit\.py.*in busy")
FORKED = "it gets BrokenThreadPool | the child exits with 0"
PARENT_GOES_ON = "let the job go | the job ends | the queued job runs | exit 0"
CHILD_STUCK = f"{LET_GO} | the queued job runs | {STUCK}"

WAITING = [
    Promise(
        "a worker that waits for a queued job of its own pool runs it itself",
        "nested_submit.py",
        stock=f"outer waits for inner | {STUCK}",
        nalsil="outer waits for inner | inner ran on outer's thread | exit 0",
    ),
    Promise(
        "a pool whose workers all wait for a thread grows",
        "nested_to_thread.py grows",
        stock=f"all workers wait for a thread | {STUCK}",
        nalsil="all workers wait for a thread | all get one | exit 0",
    ),
    Promise(
        "a pool that may not grow raises with the stacks of its waiting workers",
        "nested_to_thread.py no overflow",
        stock=f"all workers wait for a thread | {STUCK}",
        nalsil="all workers wait for a thread | PoolDeadlock with the stacks | exit 0",
    ),
    Promise(
        "jobs that wait for each other raise with their stacks",
        "mutual_wait.py",
        stock=f"two jobs wait for each other | {STUCK}",
        nalsil="two jobs wait for each other | PoolDeadlock with the stacks | exit 0",
    ),
]

FORKING = [
    Promise(
        "a pool works in a forked child",
        "forked.py new job",
        stock=f"the job runs | the child submits | {CHILD_STUCK}",
        nalsil="the job runs | the child submits | the child's job runs"
        f" | the child exits with 0 | {PARENT_GOES_ON}",
    ),
    *(
        Promise(
            f"a {job} of the parent fails in the child",
            f"forked.py {job}",
            stock=f"the job runs | the child waits for the parent's {job} | {CHILD_STUCK}",
            nalsil=f"the job runs | the child waits for the parent's {job}"
            f" | {FORKED} | {PARENT_GOES_ON}",
        )
        for job in ("running job", "queued job")
    ),
]

ENDING = [
    Promise(
        "run() does not wait for a job that nobody waits for",
        "abandoned.py let go",
        stock=f"the job runs | the wait times out | {LET_GO}"
        " | run() returns | let the job go | exit 0",
        nalsil=f"the job runs | the wait times out | run() returns | {ENDED}",
    ),
    Promise(
        "a job that nobody waits for holds up the exit for a moment and is named",
        "abandoned.py left",
        stock=f"the job runs | the wait times out | {LET_GO} | run() returns | exit 0",
        nalsil="the job runs | the wait times out | run() returns | exit 0",
        reports=HELD_STACK,
    ),
    Promise(
        "shutdown with a timeout ends in time and names the job that runs",
        "shutdown_timeout.py",
        stock=f"the job runs | shutdown() takes no timeout | {ENDED}",
        nalsil=f"the job runs | TimeoutError naming the job | {ENDED}",
    ),
    Promise(
        "a stuck job at exit is named with its stack and left",
        "stuck_at_exit.py held",
        stock=f"the job runs | the program ends | {LET_GO} | exit 0",
        nalsil="the job runs | the program ends | exit 0",
        reports=HELD_STACK,
    ),
    Promise(
        "a job that never blocks is named at exit and left too",
        "stuck_at_exit.py busy",
        stock=f"a busy job runs | the program ends | {STUCK}",
        nalsil="a busy job runs | the program ends | exit 0",
        reports=BUSY_STACK,
    ),
    Promise(
        "work is accepted until the last thread ends",
        "after_main.py",
        stock="the main thread ends | the job is refused | exit 0",
        nalsil="the main thread ends | the job gives 3 | exit 0",
    ),
]

INTERRUPTING = [
    Promise(
        "Ctrl-C is seen at once in run() while a job runs",
        "interrupted.py run",
        stock=f"{CTRL_C} | {LET_GO} | KeyboardInterrupt | let the job go | exit 0",
        nalsil=INTERRUPTED,
    ),
    Promise(
        "Ctrl-C is seen at once in a submit that waits for room",
        "interrupted.py submit",
        stock=f"the job runs | interrupt me | the queue takes any number of jobs | {ENDED}",
        nalsil=INTERRUPTED,
    ),
    Promise("Ctrl-C is seen at once in result()", "interrupted.py result", nalsil=INTERRUPTED),
    Promise("Ctrl-C is seen at once in shutdown()", "interrupted.py shutdown", nalsil=INTERRUPTED),
    Promise(
        "Ctrl-C at exit leaves at once and names the stuck job",
        "interrupted.py exit",
        nalsil=f"{CTRL_C} | exit 0",
        reports=HELD_STACK,
    ),
]

TAKING = [
    *(
        Promise(
            f"{error} out of a done-callback costs no worker",
            f"callback_raises.py {error}",
            stock=f"{error} is logged | {STUCK}",
            nalsil=f"{error} is logged | the next job ran | exit 0",
        )
        for error in ("SystemExit", "CancelledError")
    ),
    Promise(
        "submit does not keep the job that it refuses",
        "no_thread.py no worker",
        stock="submit refuses the job | jobs that ran: first second | exit 0",
        nalsil="submit refuses the job | jobs that ran: second | exit 0",
    ),
    Promise(
        "submit does not refuse the job that it keeps",
        "no_thread.py one worker",
        stock="the job runs | submit refuses the job | let the job go | the job ends"
        " | jobs that ran: first second | exit 0",
        nalsil="the job runs | submit takes the job | let the job go | the job ends"
        " | jobs that ran: first second | exit 0",
    ),
    Promise(
        "submit does not wait for other pools",
        "foreign_lock.py",
        stock=f"a pool submits under the lock of all pools | {STUCK}",
        nalsil="a pool submits under the lock of all pools | submitted | the job ran | exit 0",
    ),
    Promise(
        "jobs run by priority and in order within one",
        "priorities.py",
        stock="the job runs | let the job go | the job ends"
        " | low 1, high 1, low 2, high 2 | exit 0",
        nalsil="the job runs | let the job go | the job ends"
        " | high 1, high 2, low 1, low 2 | exit 0",
    ),
    Promise(
        "a busy loop is woken once for a batch of outcomes",
        "wake_ups.py",
        stock="the parked loop is woken once | the busy loop is woken 100 times | exit 0",
        nalsil="the parked loop is woken once | the busy loop is woken once at most | exit 0",
    ),
]

CARRYING = [
    Promise(
        "submit copies the context of its caller",
        "context.py submit",
        stock="the job sees nothing | exit 0",
        nalsil="the job sees the submitter's value | exit 0",
    ),
    Promise(
        "run_in_executor copies the context of its caller",
        "context.py run_in_executor",
        stock="the job sees nothing | exit 0",
        nalsil="the job sees the caller's value | exit 0",
    ),
    Promise(
        "what a job sets comes back to its caller on request",
        "context.py copy back",
        stock="the caller sees nothing | exit 0",
        nalsil="the caller sees the job's value | exit 0",
    ),
    Promise(
        "a worker starts with an empty context",
        "context.py worker",
        stock="the worker sees the first submitter's value | exit 0"
        if THREADS_INHERIT_CONTEXT
        else None,
        nalsil="the worker sees nothing | exit 0",
    ),
]

TELLING = [
    Promise(
        "a running job is told that its future was cancelled",
        "cancelled_future.py",
        stock=f"the job runs | cancel() gives False | {LET_GO} | exit 0",
        nalsil="the job runs | cancel() gives False | the job sees that it was cancelled | exit 0",
    ),
    Promise(
        "a running job is told that the task that waits for it was cancelled",
        "cancelled_task.py told",
        stock=f"the job runs | {LET_GO} | exit 0",
        nalsil="the job runs | the job sees that it was cancelled | exit 0",
    ),
    Promise(
        "a cancelled job does not outlive its await",
        "cancelled_task.py awaited",
        stock=f"the job runs | the await ends | {LET_GO} | exit 0",
        nalsil="the job runs | the job sees that it was cancelled | the await ends | exit 0",
    ),
    Promise(
        "a job that outlives its await is counted",
        "cancelled_task.py counted",
        stock=f"the job runs | the await ends | nothing counts abandoned jobs | {ENDED}",
        nalsil=f"the job runs | the await ends | abandoned jobs: 1 | {ENDED}",
    ),
    Promise(
        "a pool tells of its jobs, in all and by function",
        "job_statistics.py",
        stock="the pool has run its jobs | nothing tells of them | exit 0",
        nalsil="the pool has run its jobs | completed 3 failed 1 | found every worker busy: 3"
        " | blocks 1 failed 0 | fails 1 failed 1 | works 2 failed 0"
        " | queue wait of 4 run of 4 | exit 0",
    ),
    Promise(
        "StopIteration out of a job becomes the cause of a RuntimeError",
        "stop_iteration.py",
        stock=f"a job raises StopIteration | {STUCK}" if sys.version_info < (3, 12, 6) else None,
        nalsil="a job raises StopIteration | RuntimeError caused by StopIteration | exit 0",
    ),
    Promise(
        "the traceback of a job's exception starts at the job",
        "job_traceback.py",
        stock=f"its frames: {FRAMES_OF_STOCK} | exit 0",
        nalsil="its frames: job | exit 0",
    ),
]

DROPPED = "the job is done and dropped"
DESTROYED = f"{DROPPED} | function, argument and outcome are destroyed | exit 0"
DROPPING = [
    Promise(
        f"a parked worker keeps nothing of {which} job",
        f"dropped_objects.py {job}",
        nalsil=DESTROYED,
        stock=None if gil else f"{DROPPED} | {STUCK}",
        gil=gil,
    )
    for gil in (True, False)
    for which, job in (("a", "ended"), ("a failed", "failed"))
]

PROMISES = [
    *(WAITING + FORKING + ENDING + INTERRUPTING),
    *(TAKING + CARRYING + TELLING + DROPPING),
]


def rows(promises: list[Promise]) -> pytest.MarkDecorator:
    """One test for each row; skipped if it is one of other builds of Python."""
    return pytest.mark.parametrize("row", [_row(promise) for promise in promises])


def _row(row: Promise) -> object:
    build = "" if row.gil is None else (" (GIL)" if row.gil else " (free-threaded)")
    other = row.gil is not None and row.gil != GIL
    reason = f"this Python has {'the' if GIL else 'no'} GIL: objects are destroyed in another way"
    return pytest.param(row, id=row.promise + build, marks=pytest.mark.skipif(other, reason=reason))


@rows([row for row in PROMISES if row.stock is not None])
def test_stock_breaks_it(row: Promise) -> None:
    lines, _ = play(row.program, "stock")
    assert " | ".join(lines) == row.stock
    assert row.stock != row.nalsil


@rows([row for row in PROMISES if row.stock is None])
def test_stock_keeps_it_too(row: Promise) -> None:
    lines, _ = play(row.program, "stock")
    assert " | ".join(lines) == row.nalsil


@rows(PROMISES)
def test_nalsil_keeps_it(row: Promise) -> None:
    lines, stderr = play(row.program, "nalsil")
    assert (" | ".join(lines), stderr if not row.reports else "") == (row.nalsil, "")
    assert re.search(".*".join(row.reports), stderr, re.DOTALL), stderr
