"""The true best of a work: every form at every concurrency, then the best of them against another.

The first pass measures every cell twice, with as many units as a set time allows, and takes the
better one, so that a first use of something does not rule a cell out. The finals take the cells
near the best, and the one of the verdict, and measure them in turn, each round in another order,
with all items. What is reported is the median of the rounds. The best of several medians is too low
by chance, which is a disadvantage for the verdict and for nobody else.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benches.choice.cell import FORMS
from benches.choice.works import Work

IN_FLIGHT = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
WORKERS = (1, 2, 3, 4, 6, 8, 16, 32)
"""For forms whose workers have memory of megabytes each."""


@dataclass(frozen=True)
class Effort:
    """How long to look."""

    in_flight: tuple[int, ...] = IN_FLIGHT
    workers: tuple[int, ...] = WORKERS
    first_s: float = 0.5
    """How long a cell of the first pass may take."""
    near: float = 1.35
    """Cells up to so many times the best one get into the finals …"""
    finalists: int = 6
    """… but no more than that."""
    rounds: int = 7
    last_s: float = 1.5
    """How long a cell of the finals may take."""


FULL = Effort()
QUICK = Effort((1, 4, 16, 64, 256), (1, 2, 4), first_s=0.4, finalists=4, rounds=5, last_s=1.0)


@dataclass(frozen=True, order=True)
class Cell:
    form: str
    concurrency: int

    def __str__(self) -> str:
        return self.form if self.form == "plain" else f"{self.form} {self.concurrency}"


@dataclass
class Measured:
    """Seconds for all items, by cell: the better of the first pass, each round of the finals."""

    first: dict[Cell, float] = field(default_factory=dict)
    finals: dict[Cell, list[float]] = field(default_factory=dict)

    def median(self, cell: Cell) -> float:
        return statistics.median(self.finals[cell])

    @property
    def best(self) -> Cell:
        return min(self.finals, key=self.median)

    def to_json(self) -> dict[str, Any]:
        return {
            "first": {str(cell): seconds for cell, seconds in sorted(self.first.items())},
            "finals": {str(cell): rounds for cell, rounds in sorted(self.finals.items())},
        }


class Child:
    """A form of a work in its process."""

    def __init__(self, work: Work, form: str) -> None:
        function = f"a{work.function}" if form == "coroutines" else work.function
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benches.choice.cell", str(work.path), function, form],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def seconds(self, concurrency: int, units: int) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{concurrency} {units}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the child ended with {self.process.wait()}")
        return float(json.loads(answer))

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class Exhaustive:
    """Measures the cells of one work."""

    def __init__(self, work: Work, effort: Effort) -> None:
        self.work = work
        self.effort = effort
        self.children: dict[str, Child] = {}
        self.measured = Measured()

    def __enter__(self) -> Exhaustive:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            child.end()

    def forms(self) -> Iterator[str]:
        for form in FORMS:
            is_async = form == "coroutines"
            if (is_async and (self.work.both or self.work.only_async)) or not (
                is_async or self.work.only_async
            ):
                yield form

    def cells(self) -> Iterator[Cell]:
        for form in self.forms():
            light = form in ("threads", "coroutines")
            counts = self.effort.in_flight if light else self.effort.workers
            for concurrency in (1,) if form == "plain" else counts:
                yield Cell(form, concurrency)

    def once(self, cell: Cell, limit: float) -> float:
        """Seconds for all items; measured with fewer if all would take longer than `limit`."""
        child = self.children.get(cell.form)
        if child is None:
            child = self.children[cell.form] = Child(self.work, cell.form)
        units = self.work.items
        known = self.measured.first.get(cell)
        if known is None:
            units = min(units, max(4 * cell.concurrency, 8))
            known = child.seconds(cell.concurrency, units) / units * self.work.items
            units = self.work.items
        if known > limit:
            turns = max(4, math.floor(limit / known * self.work.items / cell.concurrency))
            units = min(self.work.items, turns * cell.concurrency)
        return child.seconds(cell.concurrency, units) / units * self.work.items

    def first_pass(self) -> None:
        for cell in [*self.cells(), *self.cells()]:
            self.look(cell)

    def look(self, cell: Cell) -> None:
        before = self.measured.first.get(cell, math.inf)
        self.measured.first[cell] = min(before, self.once(cell, self.effort.first_s))

    def final_rounds(self, *asked: Cell) -> None:
        """Measure the cells near the best, and those `asked` for, in turn."""
        for cell in asked:
            if cell not in self.measured.first:
                self.look(cell)
        ranked = sorted(self.measured.first, key=self.measured.first.__getitem__)
        limit = self.effort.near * self.measured.first[ranked[0]]
        near = [cell for cell in ranked if self.measured.first[cell] <= limit]
        cells = sorted({*near[: self.effort.finalists], *asked})
        shuffle = random.Random(self.work.name)
        for _ in range(self.effort.rounds):
            shuffle.shuffle(cells)
            for cell in cells:
                taken = self.once(cell, self.effort.last_s)
                self.measured.finals.setdefault(cell, []).append(taken)
