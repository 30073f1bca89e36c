"""Who decides the order: turns that nobody asked for, and orders that differ from run to run."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import nalsil

SPIN_SECONDS = 0.25
RUNS = 200
UNITS = 6


class Turns:
    """Counts how often another one runs than before."""

    def __init__(self) -> None:
        self.last = ""
        self.changes = -1

    def spin(self, name: str) -> None:
        """Compute for a while without giving way."""
        end = time.perf_counter() + SPIN_SECONDS
        while time.perf_counter() < end:
            if self.last != name:
                self.last = name
                self.changes += 1


def task_turns() -> int:
    """Changes between two tasks that compute and never await."""
    turns = Turns()

    async def compute(name: str) -> None:
        turns.spin(name)

    async def main() -> None:
        await asyncio.gather(compute("one"), compute("two"))

    nalsil.run(main())
    return turns.changes


def thread_turns() -> int:
    """Changes between two threads that compute at the same time."""
    turns = Turns()
    together = threading.Barrier(2)

    def compute(name: str) -> None:
        together.wait()
        turns.spin(name)

    _join([threading.Thread(target=compute, args=(name,)) for name in ("one", "two")])
    return turns.changes


def task_order() -> tuple[int, ...]:
    """In which order tasks go on that waited for the same thing."""
    order: list[int] = []

    async def main() -> None:
        together = asyncio.Barrier(UNITS)

        async def note(unit: int) -> None:
            await together.wait()
            order.append(unit)

        await asyncio.gather(*map(note, range(UNITS)))

    nalsil.run(main())
    return tuple(order)


def thread_order() -> tuple[int, ...]:
    """In which order threads go on that waited for the same thing."""
    order: list[int] = []
    together = threading.Barrier(UNITS)

    def note(unit: int) -> None:
        together.wait()
        order.append(unit)

    _join([threading.Thread(target=note, args=(unit,)) for unit in range(UNITS)])
    return tuple(order)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    numbers = {
        "spin": 2 * SPIN_SECONDS,
        "task_turns": task_turns(),
        "thread_turns": thread_turns(),
        "order_runs": RUNS,
        "order_units": UNITS,
        "task_orders": len({task_order() for _ in range(RUNS)}),
        "thread_orders": len({thread_order() for _ in range(RUNS)}),
    }
    print(json.dumps(numbers))
