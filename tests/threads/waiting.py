"""Waiting for things: a condition that is looked at, and jobs that wait for the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOKS = 10


def wait_until(condition: Callable[[], object]) -> None:
    """Return once the condition holds; the hang guard bounds the wait."""
    while not condition():
        time.sleep(0.001)


def wait_until_asleep(thread: threading.Thread) -> None:
    """Return once a running thread waits: the system let it sleep, and does not wake it again.

    A thread that waits for the interpreter is woken every few milliseconds.
    """
    quiet, switches = 0, ""
    while quiet < LOOKS:
        assert thread.is_alive(), f"{thread.name} ended instead of waiting"
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        seen = status.partition("voluntary_ctxt_switches:")[2]
        asleep = "State:\tS" in status and seen == switches
        quiet, switches = quiet + 1 if asleep else 0, seen
        time.sleep(0.002)


class Gate:
    """Jobs that tell when they have begun and wait until the gate is opened."""

    def __init__(self) -> None:
        self._begun = threading.Semaphore(0)
        self._opened = threading.Event()

    def job(self, value: Any = None) -> Any:
        self._begun.release()
        self._opened.wait()
        return value

    def wait_for(self, count: int = 1) -> None:
        """Return once `count` more jobs have begun."""
        for _ in range(count):
            self._begun.acquire()

    def has_begun(self) -> bool:
        """Whether one more job has begun; does not wait."""
        return self._begun.acquire(blocking=False)

    def open(self) -> None:
        self._opened.set()
