"""Where threads are, for reports; and for whom a context works."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterable
from contextvars import ContextVar

WAITS_FOR: ContextVar[int] = ContextVar("nalsil_waits_for", default=0)
"""The blocked wait of a worker that the running code is to end; zero if there is none."""


def stacks_of(threads: Iterable[int]) -> str:
    """Return the stacks of threads, given by their numbers, as text."""
    frames = sys._current_frames()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = []
    for ident in threads:
        frame = frames.get(ident)
        if frame is not None:
            stack = "".join(traceback.format_stack(frame)).rstrip()
            parts.append(f"Thread {names.get(ident, ident)} (most recent call last):\n{stack}")
    return "\n".join(parts)
