"""Threads: a pool of them, nalsil's own or the standard library's."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterable
from typing import Any

import nalsil
from nalsil._compare.forms import session
from nalsil._compare.reading import Reading
from nalsil._compare.work import Order, Work

Pool = Callable[[int], concurrent.futures.Executor]


class Threads:
    """The threads of a pool, all of which are there before the first unit."""

    def __init__(self, pool: Pool) -> None:
        self._make = pool

    def start(self, concurrency: int) -> None:
        """Start as many threads as there are to be."""
        self._pool = self._make(concurrency)
        everyone = threading.Barrier(concurrency + 1)
        try:
            for _ in range(concurrency):
                self._pool.submit(everyone.wait)
        except BaseException:
            everyone.abort()
            raise
        everyone.wait()

    def run(self, unit: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Submit all, and wait for all."""
        for _ in self._pool.map(unit, items):
            pass

    def stop(self) -> None:
        """Wait for the threads to end."""
        if hasattr(self, "_pool"):
            self._pool.shutdown()


def measure(work: Work, order: Order) -> Reading:
    """Measure the work in nalsil's pool."""
    return session.measure(work, order, Threads(nalsil.ThreadPoolExecutor))


def measure_stock(work: Work, order: Order) -> Reading:
    """Measure the work in the pool of `concurrent.futures`."""
    return session.measure(work, order, Threads(concurrent.futures.ThreadPoolExecutor))
