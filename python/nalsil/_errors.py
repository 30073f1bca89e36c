"""The exceptions that nalsil adds to those of the standard library."""

from __future__ import annotations

import queue


class QueueFull(queue.Full):
    """The bounded queue of a pool has no room for the job."""


class PoolDeadlock(RuntimeError):
    """Jobs of a pool wait for one another, or for a worker that there is not; with their stacks."""
