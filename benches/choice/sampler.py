"""What does the sampler cost the work that it watches, at its default rate?

The same units run bare, counted by a meter that has not begun, and watched, in turn and in the same
process. Reported are the medians over the turns of ratios: of watched to counted time, which is the
sampler's, with their 95 % interval; of CPU times; and of counted to bare time, which is what it
costs to note each unit's beginning and end, whoever looks on. And the CPU time of the sampler's own
thread.
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
TURNS, QUICK_TURNS = 25, 9
HEADER = (
    *("work", "threads", "time", "low", "high", "CPU time", "sampler's core", "under 3 %"),
    *("counting", "low", "high"),
)


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
    """The turns of a load, measured in a process of its own."""
    turns = str(QUICK_TURNS if quick else TURNS)
    answer = subprocess.run(
        [sys.executable, "-m", "benches.choice.sampler", load.name, turns],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"work": load.name, **json.loads(answer.stdout)}


def ways(
    load: Load, function: Callable[[int], Any], pool: concurrent.futures.Executor
) -> dict[str, Callable[[], tuple[float, ...]]]:
    """The three ways to run the units: calls that give time, CPU time and the sampler's own."""
    meter = Meter()
    watched, counted = meter.wrap(function), Meter().wrap(function)

    def run(unit: Callable[[int], Any]) -> tuple[float, float]:
        spent, began = time.process_time(), time.perf_counter()
        for _ in pool.map(unit, range(load.units)):
            pass
        return time.perf_counter() - began, time.process_time() - spent

    def watch() -> tuple[float, ...]:
        meter.start()
        taken = run(watched)
        return *taken, meter.stop()["sampler_cpu_s"]

    return {"bare": lambda: run(function), "counted": lambda: run(counted), "watched": watch}


def main(name: str, turns: int) -> None:
    load = next(load for load in LOADS if load.name == name)
    function = getattr(cell.load(str(FOLDER / f"{load.file}.py")), load.function)
    with nalsil.ThreadPoolExecutor(load.threads) as pool:
        runs = ways(load, function, pool)
        for way in runs.values():
            way()
        taken = []
        for number in range(turns):
            order = list(runs)
            first = number % len(order)
            order = order[first:] + order[:first]
            taken.append({way: runs[way]() for way in order})
    print(json.dumps({"threads": load.threads, "turns": taken}))


def ratios(outcome: dict[str, Any], way: str, to: str, what: int = 0) -> list[float]:
    """Of time (0) or CPU time (1), turn by turn."""
    return [turn[way][what] / turn[to][what] for turn in outcome["turns"]]


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of a median by order statistics."""
    ordered = sorted(values)
    reach = round(0.98 * len(ordered) ** 0.5)
    middle = len(ordered) // 2
    return ordered[max(0, middle - reach)], ordered[min(len(ordered) - 1, middle + reach)]


def longer(outcome: dict[str, Any]) -> list[float]:
    return ratios(outcome, "watched", "counted")


def conclusion(outcomes: list[dict[str, Any]]) -> str:
    under = sum(statistics.median(longer(each)) < ALLOWED for each in outcomes)
    return f"{under} of {len(outcomes)} loads take less than {ALLOWED - 1:.0%} longer"


def rows(outcomes: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    found = []
    for each in outcomes:
        time_ratio, counting = longer(each), ratios(each, "counted", "bare")
        cpu = statistics.median(ratios(each, "watched", "counted", 1))
        core = statistics.median(turn["watched"][2] / turn["watched"][0] for turn in each["turns"])
        mark = "yes" if statistics.median(time_ratio) < ALLOWED else "NO"
        row = (each["work"], str(each["threads"]), *spread(time_ratio), f"{cpu:.3f}", f"{core:.2%}")
        found.append((*row, mark, *spread(counting)))
    return found


def spread(values: list[float]) -> tuple[str, ...]:
    """Median and interval."""
    return tuple(f"{value:.3f}" for value in (statistics.median(values), *interval(values)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
