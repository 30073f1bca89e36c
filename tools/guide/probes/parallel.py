"""How much faster two works of `examples/work` get by coroutines and by threads on all processors.

`primes.count` computes in Python and holds the GIL; `hashing.pack` computes in C and releases it.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import time
from collections.abc import Callable
from pathlib import Path

import nalsil

WORKS = Path(__file__).resolve().parents[3] / "examples" / "work"
CPUS = len(os.sched_getaffinity(0))
UNITS = 24
ROUNDS = 15

Work = Callable[[int], object]


def one_by_one(work: Work) -> None:
    """Plain calls."""
    for item in range(UNITS):
        work(item)


def as_tasks(work: Work) -> None:
    """A task for each item, on one loop."""

    async def call(item: int) -> None:
        work(item)

    async def main() -> None:
        await asyncio.gather(*map(call, range(UNITS)))

    nalsil.run(main())


def as_jobs(work: Work) -> None:
    """A job for each item, in as many threads as there are processors."""
    with nalsil.ThreadPoolExecutor(max_workers=CPUS) as pool:
        list(pool.map(work, range(UNITS)))


def seconds(form: Callable[[Work], None], work: Work) -> float:
    """How long all items take in a form."""
    began = time.perf_counter()
    form(work)
    return time.perf_counter() - began


def gains(work: Work) -> dict[str, float]:
    """Throughput of each form over that of plain calls, from the best of rounds."""
    forms = {"plain": one_by_one, "tasks": as_tasks, "threads": as_jobs}
    best = dict.fromkeys(forms, float("inf"))
    for _ in range(ROUNDS):
        for name, form in forms.items():
            best[name] = min(best[name], seconds(form, work))
    return {name: best["plain"] / best[name] for name in ("tasks", "threads")}


def main() -> None:
    """Print the gains of both works."""
    held = gains(runpy.run_path(str(WORKS / "primes.py"))["count"])
    released = gains(runpy.run_path(str(WORKS / "hashing.py"))["pack"])
    numbers = {f"held_{name}": gain for name, gain in held.items()}
    numbers |= {f"released_{name}": gain for name, gain in released.items()}
    print(json.dumps({**numbers, "cpus": CPUS}))


if __name__ == "__main__":
    main()
