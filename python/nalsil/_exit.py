"""The end of the program, and the forks of it, as the pools see them."""

from __future__ import annotations

import atexit
import os
import sys
import time
import weakref
from typing import TYPE_CHECKING

from nalsil._stacks import stacks_of
from nalsil._workers import Workers

if TYPE_CHECKING:
    from nalsil._pool import ThreadPoolExecutor

ABANDONED_TIMEOUT = 1.0
"""Seconds for which the end of the program waits for jobs that nobody waits for any more."""

TELL_AFTER = 5.0
"""Seconds of waiting after which the end of the program says what it waits for."""

_pools: weakref.WeakSet[ThreadPoolExecutor] = weakref.WeakSet()


def watch(pool: ThreadPoolExecutor) -> None:
    """See to a pool when the program ends or forks."""
    _pools.add(pool)


class _Wait:
    """The wait for one pool's threads, with what it may cost and what it has said."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.begun = time.monotonic()
        self.told = False

    def is_over(self) -> bool:
        """Whether what still runs has had its time."""
        waited = time.monotonic() - self.begun
        limit = self.workers.exit_timeout
        if limit is not None and waited >= limit:
            return True
        return waited >= ABANDONED_TIMEOUT and self.workers.only_abandoned()

    def rest(self) -> float:
        """Seconds until it is worth to look again."""
        waited = time.monotonic() - self.begun
        looks = [ABANDONED_TIMEOUT, TELL_AFTER, self.workers.exit_timeout]
        ahead = [look - waited for look in looks if look is not None and look > waited]
        # Jobs may be abandoned later than that, by what ends on the way.
        return min([*ahead, TELL_AFTER])

    def run(self) -> None:
        while not self.workers.wait(self.rest()):
            if self.is_over():
                _report(self.workers, "left running at exit")
                return
            if not self.told and time.monotonic() - self.begun >= TELL_AFTER:
                self.told = True
                _report(self.workers, "waited for at exit; Ctrl-C leaves at once")


def _report(workers: Workers, what: str) -> None:
    jobs = workers.jobs()
    if not jobs:
        return
    lines = [f"nalsil: {len(jobs)} of the jobs of {workers.prefix} {what}:"]
    lines += [f"  {name}, running for {seconds:.1f} s" for _, name, seconds, _ in jobs]
    print("\n".join(lines), stacks_of(job[0] for job in jobs), sep="\n", file=sys.stderr)


@atexit.register
def _end_pools() -> None:
    # Runs when the last thread that is no daemon has ended, so work was accepted until now.
    for pool in list(_pools):
        pool._close(False)
    waits = [_Wait(workers) for workers in list(Workers.alive)]
    try:
        for wait in waits:
            wait.run()
    except KeyboardInterrupt:
        for wait in waits:
            _report(wait.workers, "left running at exit")


def _after_fork_in_child() -> None:
    Workers.forget_all()
    for pool in list(_pools):
        pool._workers.forget()
        pool._after_fork(
            "the process was forked: the threads that had this job are those of the parent"
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
