"""What does the sampler cost the work that it watches, at its default rate?

The same units run bare and under the meter, in turn and in the same process; reported are the
median over the pairs of the ratio of their times, the same of their CPU times, and the CPU time of
the sampler's own thread.
"""

from __future__ import annotations

import concurrent.futures
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nalsil
from benches.choice import cell
from benches.choice.works import FOLDER
from nalsil._nalsil import Meter

NAME = "sampler"
ALLOWED = 1.03
PAIRS, QUICK_PAIRS = 25, 9
HEADER = ("work", "threads", "time", "low", "high", "CPU time", "sampler's core", "under 3 %")


@dataclass(frozen=True)
class Load:
    """Units of a work in so many threads, for about so long."""

    file: str
    function: str
    threads: int
    units: int
    quick: bool = False

    @property
    def name(self) -> str:
        return f"{self.file}/{self.function}/{self.threads}"


LOADS = [
    Load("waiting", "paced", 1, 30),
    Load("waiting", "paced", 8, 240, quick=True),
    Load("waiting", "paced", 64, 1920),
    Load("waiting", "mixed", 4, 80),
    Load("requests_to_server", "get_5ms", 16, 640),
    Load("python_code", "middling", 1, 500, quick=True),
    Load("python_code", "small", 1, 6000),
    Load("python_code", "middling", 4, 500),
    Load("native_code", "sha256", 1, 300, quick=True),
    Load("native_code", "sha256", 2, 500),
    Load("files", "read_small", 1, 10_000),
]


def chosen(*, quick: bool) -> list[Load]:
    return [load for load in LOADS if load.quick or not quick]


def measure(load: Load, *, quick: bool) -> dict[str, Any]:
    """The pairs of a load, measured in a process of its own."""
    pairs = str(QUICK_PAIRS if quick else PAIRS)
    answer = subprocess.run(
        [sys.executable, "-m", "benches.choice.sampler", load.name, pairs],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"work": load.name, **json.loads(answer.stdout)}


def pair(load: Load, function: Callable[[int], Any], pool: concurrent.futures.Executor) -> Any:
    """Bare and metered runs, each a call that gives time and CPU time."""
    meter = Meter()
    counted = meter.wrap(function)

    def run(unit: Callable[[int], Any]) -> tuple[float, float]:
        spent, began = time.process_time(), time.perf_counter()
        for _ in pool.map(unit, range(load.units)):
            pass
        return time.perf_counter() - began, time.process_time() - spent

    def metered() -> tuple[float, float, float]:
        meter.start()
        taken = run(counted)
        return *taken, meter.stop()["sampler_cpu_s"]

    return lambda: run(function), metered


def main(name: str, pairs: int) -> None:
    load = next(load for load in LOADS if load.name == name)
    function = getattr(cell.load(str(FOLDER / f"{load.file}.py")), load.function)
    with nalsil.ThreadPoolExecutor(load.threads) as pool:
        bare, metered = pair(load, function, pool)
        bare(), metered()
        taken = []
        for number in range(pairs):
            if number % 2:
                without, under = bare(), metered()
            else:
                under, without = metered(), bare()
            taken.append((*without, *under))
    print(json.dumps({"threads": load.threads, "pairs": taken}))


def ratios(outcome: dict[str, Any]) -> list[float]:
    return [pair[2] / pair[0] for pair in outcome["pairs"]]


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of a median by order statistics."""
    ordered = sorted(values)
    reach = round(0.98 * len(ordered) ** 0.5)
    middle = len(ordered) // 2
    return ordered[max(0, middle - reach)], ordered[min(len(ordered) - 1, middle + reach)]


def conclusion(outcomes: list[dict[str, Any]]) -> str:
    under = sum(statistics.median(ratios(each)) < ALLOWED for each in outcomes)
    return f"{under} of {len(outcomes)} loads take less than {ALLOWED - 1:.0%} longer"


def rows(outcomes: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    found = []
    for each in outcomes:
        ratio = statistics.median(ratios(each))
        low, high = interval(ratios(each))
        cpu = statistics.median(pair[3] / pair[1] for pair in each["pairs"])
        core = statistics.median(pair[4] / pair[2] for pair in each["pairs"])
        numbers = (f"{ratio:.3f}", f"{low:.3f}", f"{high:.3f}", f"{cpu:.3f}", f"{core:.2%}")
        mark = "yes" if ratio < ALLOWED else "NO"
        found.append((each["work"], str(each["threads"]), *numbers, mark))
    return found


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
