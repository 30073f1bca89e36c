"""One form of one work in a process of its own, which measures a cell whenever it is told to.

Run as `python -m benches.choice.cell PATH FUNCTION FORM`. A line `CONCURRENCY UNITS` on standard
input is one measurement; the answer is the seconds that these units took, as a line of JSON. This
is written anew from the standard library's documentation and shares nothing with the command.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.util
import itertools
import json
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nalsil

WARM_UP = 2
"""Units per worker before the clock starts: workers, connections and caches are there then."""
ROLL_CALL_S = 0.02
"""How long a worker is busy with saying that it is there, so that the next one is asked too."""
MODULE = "work_under_test"

Measure = Callable[[int, int], float]


def load(path: str) -> Any:
    """The file as a module, under a name that a worker process can import too."""
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


class Call:
    """The function by the path of its file, so that it can be sent to another process."""

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self.function: Any = None

    def __reduce__(self) -> tuple[type[Call], tuple[str, str]]:
        return Call, (self.path, self.name)

    def __call__(self, item: int) -> Any:
        return (self.function or self.found())(item)

    def found(self) -> Any:
        module = sys.modules.get(MODULE) or load(self.path)
        self.function = getattr(module, self.name)
        return self.function


def plain(call: Call) -> Measure:
    function = call.found()

    def measure(concurrency: int, units: int) -> float:
        for item in range(WARM_UP):
            function(item)
        began = time.perf_counter()
        for item in range(units):
            function(item)
        return time.perf_counter() - began

    return measure


def here(_: int) -> tuple[int, int]:
    """The worker that runs this."""
    time.sleep(ROLL_CALL_S)
    return os.getpid(), threading.get_native_id()


def pooled(make: Callable[[int], concurrent.futures.Executor], function: Any) -> Measure:
    """A form that is a pool: kept while the concurrency stays the same."""
    kept: dict[int, concurrent.futures.Executor] = {}

    def measure(concurrency: int, units: int) -> float:
        if concurrency not in kept:
            for pool in kept.values():
                pool.shutdown()
            kept.clear()
            pool = kept[concurrency] = make(concurrency)
            # Workers that still start would take the processor from those that are measured.
            seen: set[tuple[int, int]] = set()
            while len(seen) < concurrency:
                seen.update(pool.map(here, range(concurrency)))
        pool = kept[concurrency]
        list(pool.map(function, range(WARM_UP * concurrency)))
        began = time.perf_counter()
        for _ in pool.map(function, range(units)):
            pass
        return time.perf_counter() - began

    return measure


def threads(call: Call) -> Measure:
    return pooled(nalsil.ThreadPoolExecutor, call.found())


def processes(call: Call) -> Measure:
    context = multiprocessing.get_context("spawn")

    def make(workers: int) -> concurrent.futures.Executor:
        return concurrent.futures.ProcessPoolExecutor(workers, mp_context=context)

    return pooled(make, call)


def interpreters(call: Call) -> Measure:
    return pooled(concurrent.futures.InterpreterPoolExecutor, call)  # type: ignore[attr-defined]


def coroutines(call: Call) -> Measure:
    function = call.found()
    runner = asyncio.Runner(loop_factory=nalsil.new_event_loop)

    async def take(items: Any) -> None:
        for item in items:
            await function(item)

    async def run(concurrency: int, units: int) -> float:
        warm = iter(range(WARM_UP * concurrency))
        await asyncio.gather(*[take(warm) for _ in range(concurrency)])
        items = iter(range(units))
        began = time.perf_counter()
        await asyncio.gather(*[take(items) for _ in range(concurrency)])
        return time.perf_counter() - began

    return lambda concurrency, units: runner.run(run(concurrency, units))


FORMS: dict[str, Callable[[Call], Measure]] = {
    "plain": plain,
    "threads": threads,
    "coroutines": coroutines,
    "processes": processes,
}
if sys.version_info >= (3, 14):
    FORMS["interpreters"] = interpreters


def main(path: str, function: str, form: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.path.insert(0, str(Path(path).parent))
    measure = FORMS[form](Call(path, function))
    for line in sys.stdin:
        concurrency, units = map(int, line.split())
        print(json.dumps(measure(concurrency, units)), file=answers)
    os._exit(0)


if __name__ == "__main__":
    main(*itertools.islice(sys.argv, 1, 4))
