"""The order of the turns: every row, placement, contender and round, each in a fresh process."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import loops
import machine
from report import clock, three_digits
from rows import matches

from threads.measure import Measurement, measure, placements
from threads.meter import Timing
from threads.results import MEASURES
from threads.rows import CONTENDERS, LOOPS, ROWS, Row

FULL = Timing(warmup=0.1, seconds=0.3)
QUICK = Timing(warmup=0.05, seconds=0.1)
ROUNDS, QUICK_ROUNDS = 7, 3
PATIENCE = 2
"""A contender that failed so often at a row in one placement is not tried there again."""

PACKAGES = {"nalsil.to_thread": "nalsil", "nalsil-loop": "nalsil", "anyio": "anyio"}
"""The packages of contenders that are not loops; the others need none."""

Turn = tuple[int, Row, str, str]


@dataclass
class Run:
    """What is asked for, and what has come out so far."""

    rows: list[Row]
    contenders: list[str]
    rounds: int
    timing: Timing
    placements: dict[str, str]
    left_out: dict[str, str]
    measurements: list[Measurement] = field(default_factory=list)

    def plan(self) -> Iterator[Turn]:
        """Round, row, placement and contender, in the order of the turns."""
        for number in range(self.rounds):
            for position, row in enumerate(self.rows):
                here = [name for name in row.contenders if name in self.contenders]
                for placement in row.placements:
                    if placement in self.placements and here:
                        first = (number + position) % len(here)
                        for contender in here[first:] + here[:first]:
                            yield number, row, placement, contender

    def given_up(self, row: Row, placement: str, contender: str) -> bool:
        cell = (row.name, placement, contender)
        failed = [
            taken
            for taken in self.measurements
            if (taken.row, taken.placement, taken.contender) == cell and taken.error
        ]
        return len(failed) >= PATIENCE

    def measure(self) -> None:
        """Take all measurements, with a line of progress for each."""
        plan = list(self.plan())
        width = len(str(len(plan)))
        started = time.monotonic()
        for done, (number, row, placement, contender) in enumerate(plan, start=1):
            if self.given_up(row, placement, contender):
                continue
            taken = measure(row.name, contender, placement, number, self.timing)
            self.measurements.append(taken)
            left = clock((time.monotonic() - started) / done * (len(plan) - done))
            print(
                f"[{done:>{width}}/{len(plan)}, {left} left] round {number + 1}"
                f"  {row.name:<25} {placement:<7} {contender:<16} {outcome(row, taken)}",
                flush=True,
            )

    def results(self, circumstances: dict[str, str]) -> dict[str, Any]:
        """All that `results.json` holds."""
        cores = ", ".join(f"{name}: {cores}" for name, cores in self.placements.items())
        settings = {
            "rounds": self.rounds,
            "each measurement": f"{self.timing.seconds} s after {self.timing.warmup} s of warm-up",
            "processors": cores,
            "switch interval": f"{sys.getswitchinterval() * 1e3:g} ms",
            "garbage collector": "on; what existed before the measurement is frozen",
        }
        return {
            "suite": "threads",
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "machine": machine.facts() | circumstances,
            "versions": versions(self.contenders),
            "settings": settings,
            "contenders": self.contenders,
            "left_out": self.left_out,
            "measurements": [taken.to_json() for taken in self.measurements],
        }


def outcome(row: Row, taken: Measurement) -> str:
    if taken.error:
        return f"failed: {taken.error}"
    shown = (MEASURES[key] for key in row.measures)
    return "  ".join(f"{three_digits(each.value(taken)):>6} {each.unit}" for each in shown)


def prepare(options: argparse.Namespace) -> Run:
    """The run that the command line asks for."""
    patterns = options.rows.split(",") if options.rows else []
    rows = [row for row in ROWS if row.quick or not options.quick]
    if patterns:
        rows = [row for row in rows if any(matches(row.name, pattern) for pattern in patterns)]
    if not rows:
        sys.exit(f"no row matches `{options.rows}`\nhint: `--list` prints the names")
    names, left_out = usable(options.loops)
    found = placements()
    if len(found) == 1:
        left_out["2 cores"] = "there is only one"
    return Run(
        rows=rows,
        contenders=names,
        rounds=options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS),
        timing=QUICK if options.quick else FULL,
        placements=found,
        left_out=left_out,
    )


def usable(asked: str | None) -> tuple[list[str], dict[str, str]]:
    """Who can be measured and, for those left out, why. Who is asked for by name must work."""
    names = asked.split(",") if asked else list(CONTENDERS)
    left_out: dict[str, str] = {}
    for name in names:
        if name not in CONTENDERS:
            sys.exit(f"nobody is called `{name}` here\nhint: one of {', '.join(CONTENDERS)}")
        reason = missing(name)
        if reason and asked:
            sys.exit(
                f"cannot use `{name}`: {reason}\n"
                f"hint: install it into this interpreter, or leave `{name}` out of `--loops`"
            )
        if reason:
            left_out[name] = reason
            print(f"without {name}: {reason}")
    return [name for name in names if name not in left_out], left_out


def missing(contender: str) -> str | None:
    """Why `contender` cannot be measured, or `None`."""
    if contender in LOOPS:
        return loops.probe(contender)
    package = PACKAGES.get(contender)
    if package is None or importlib.util.find_spec(package):
        return None
    return f"no module named `{package}`"


def versions(contenders: list[str]) -> dict[str, str]:
    """The installed versions of all that is measured."""
    packages = [name for name in (*LOOPS, "anyio") if name in contenders]
    return {name: loops.version(name) for name in packages}
