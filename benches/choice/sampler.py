"""What does the sampler cost the work that it watches, at its default rate?

The same units run bare, counted by a meter that has not begun, watched, and counted while another
process wakes as often as the sampler and does nothing, in turn and in the same process. Reported
are the medians over the turns of ratios: of watched to counted time, which is the sampler's, with
their 95 % interval; of CPU times; of counted to bare time, which is what it costs to note each
unit's beginning and end, whoever looks on; and of the time with the process that only wakes to
counted time, which is what the work minds of anybody. And the CPU time of the sampler's own thread.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
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
    *("counting", "low", "high", "waking", "low", "high"),
)
WAKING = "import time\nwhile True: time.sleep(1 / 250)"
"""A program that wakes as often as the sampler looks."""


@dataclass(frozen=True)
class Load:
    """Units of a work in so many threads of a pool; in the thread that asks if there are none."""

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
    Load("files", "read_small", 0, 30_000),
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


Map = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]


def ways(
    load: Load, function: Callable[[int], Any], run_all: Map, other: subprocess.Popen[bytes]
) -> dict[str, Callable[[], tuple[float, ...]]]:
    """The ways to run the units: calls that give time, CPU time and the sampler's own.

    `other` is a stopped process that wakes again and again when it goes on.
    """
    meter = Meter()
    watched, counted = meter.wrap(function), Meter().wrap(function)

    def run(unit: Callable[[int], Any]) -> tuple[float, float]:
        spent, began = time.process_time(), time.perf_counter()
        for _ in run_all(unit, range(load.units)):
            pass
        return time.perf_counter() - began, time.process_time() - spent

    def watch() -> tuple[float, ...]:
        meter.start()
        taken = run(watched)
        return *taken, meter.stop()["sampler_cpu_s"]

    def woken() -> tuple[float, ...]:
        other.send_signal(signal.SIGCONT)
        taken = run(counted)
        other.send_signal(signal.SIGSTOP)
        return taken

    return {
        "bare": lambda: run(function),
        "counted": lambda: run(counted),
        "woken": woken,
        "watched": watch,
    }


def take_turns(runs: dict[str, Callable[[], tuple[float, ...]]], turns: int) -> list[Any]:
    """What each way gave in each turn; who begins changes from turn to turn."""
    for way in runs.values():
        way()
    taken = []
    for number in range(turns):
        order = list(runs)
        first = number % len(order)
        order = order[first:] + order[:first]
        taken.append({way: runs[way]() for way in order})
    return taken


def main(name: str, turns: int) -> None:
    load = next(load for load in LOADS if load.name == name)
    function = getattr(cell.load(str(FOLDER / f"{load.file}.py")), load.function)
    other = subprocess.Popen([sys.executable, "-S", "-c", WAKING])
    try:
        other.send_signal(signal.SIGSTOP)
        with nalsil.ThreadPoolExecutor(max(1, load.threads)) as pool:
            run_all = pool.map if load.threads else map
            taken = take_turns(ways(load, function, run_all, other), turns)
    finally:
        other.kill()
        other.wait()
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
        waking = ratios(each, "woken", "counted")
        found.append((*row, mark, *spread(counting), *spread(waking)))
    return found


def spread(values: list[float]) -> tuple[str, ...]:
    """Median and interval."""
    return tuple(f"{value:.3f}" for value in (statistics.median(values), *interval(values)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
