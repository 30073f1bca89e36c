"""Known mixtures of work, with the truth told by clocks and by the kernel's exact counters.

A part of a unit is timed with the clock alone, which is no system call: reading the CPU time would
let the kernel end the thread's slice right there, always at the same point of the unit, and the
sampler would run then. What a thread spent on a processor and on the run queue is read at its two
ends. The first is divided among the parts that compute as their times are, what is neither is
divided among the parts that wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BLOCK = bytes(64 * 1024)
"""Large enough for `hashlib` to let go of the interpreter."""
TURNS = 200
COMPUTES = ("cpu_python", "cpu_native")


class Truth:
    """Where the time of all units went, in seconds."""

    def __init__(self) -> None:
        self.processor = 0.0
        self.queued = 0.0
        self.parts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._local = threading.local()

    @contextlib.contextmanager
    def thread(self) -> Iterator[None]:
        """Around all units of the calling thread."""
        self._local.parts = Counter()
        queued, spent = queued_s(), time.thread_time()
        yield
        spent, queued = time.thread_time() - spent, queued_s() - queued
        with self._lock:
            self.processor += spent
            self.queued += queued
            self.parts.update(self._local.parts)

    @contextlib.contextmanager
    def part(self, kind: str, *, at_most: float | None = None) -> Iterator[None]:
        """A part of a unit; what it takes beyond `at_most` seconds, it waits for the GIL."""
        parts = self._local.parts
        began = time.perf_counter()
        yield
        elapsed = time.perf_counter() - began
        own = elapsed if at_most is None else min(elapsed, at_most)
        parts[kind] += own
        parts["wait_gil"] += elapsed - own

    def shares(self) -> dict[str, float]:
        """The shares of all threads together."""
        total = sum(self.parts.values())
        off = max(0.0, total - self.processor - self.queued)
        computes = {kind: self.parts[kind] for kind in COMPUTES if self.parts[kind]}
        waits = {kind: s for kind, s in self.parts.items() if kind not in COMPUTES and s > 0}
        seconds = {"run_queue": self.queued}
        seconds |= divided(self.processor, computes or {"cpu_python": 1.0})
        seconds |= divided(off, waits or {"wait_gil": 1.0})
        return {kind: value / sum(seconds.values()) for kind, value in seconds.items()}


def divided(seconds: float, weights: dict[str, float]) -> dict[str, float]:
    return {kind: seconds * weight / sum(weights.values()) for kind, weight in weights.items()}


def queued_s() -> float:
    """Seconds that the calling thread has waited for a processor (`schedstat` in proc(5))."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def shares(measured: dict[str, Any]) -> dict[str, float]:
    """The shares of what a Meter measured."""
    total = sum(measured["seconds"].values())
    return {key: value / total for key, value in measured["seconds"].items()}


def turn() -> None:
    """A little Python code."""
    for _ in range(TURNS):
        pass


def hash_block() -> None:
    """A little C code that lets go of the interpreter."""
    hashlib.sha256(BLOCK)


def seconds_of(call: Callable[[], None]) -> float:
    """The CPU time of one call, at best."""
    best = float("inf")
    for _ in range(5):
        before = time.thread_time()
        for _ in range(200):
            call()
        best = min(best, (time.thread_time() - before) / 200)
    return best


TURN_S = seconds_of(turn)
HASH_S = seconds_of(hash_block)


def spin(seconds: float) -> None:
    """Python code for about that much CPU time."""
    for _ in range(round(seconds / TURN_S)):
        turn()


def hash_for(seconds: float) -> None:
    """C code without the interpreter for about that much CPU time."""
    for _ in range(round(seconds / HASH_S)):
        hash_block()


def in_threads(number: int, work: Callable[[], object]) -> None:
    """Run `work` in that many threads at once, to their end."""
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """A thread that runs `work` over and over meanwhile."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
