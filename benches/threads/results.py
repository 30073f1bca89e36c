"""The measurements of a run, and what can be asked of them: medians, spreads, ratios."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from loops import SUBJECT
from report import Figure

from threads.measure import Measurement
from threads.rows import PLACEMENTS, ROWS, Row


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to look at a measurement. Less is better in each."""

    title: str
    unit: str
    value: Callable[[Measurement], float]


MEASURES = {
    "time": Measure("µs per operation", "µs", lambda taken: taken.seconds / taken.operations * 1e6),
    "cpu": Measure(
        "CPU, µs per operation",
        "µs CPU",
        lambda taken: taken.cpu_seconds / taken.operations * 1e6,
    ),
    "switches": Measure(
        "context switches per operation",
        "switches",
        lambda taken: (taken.voluntary + taken.involuntary) / taken.operations,
    ),
    "p50": Measure(
        "µs from call to result, the middle one", "µs p50", lambda taken: taken.extra["p50"]
    ),
    "p99": Measure(
        "µs from call to result, 99 of 100 within", "µs p99", lambda taken: taken.extra["p99"]
    ),
    "memory": Measure("KiB resident per worker", "KiB", lambda taken: taken.extra["memory"]),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A row in one placement."""

    row: Row
    placement: str

    @property
    def label(self) -> str:
        """What stands at the beginning of its line."""
        return f"{self.row.name.partition('/')[2]}, {self.placement}"


class Results:
    """The measurements of a run by row, placement and contender."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.contenders: list[str] = data["contenders"]
        self.by_cell: dict[tuple[str, str, str], list[Measurement]] = {}
        for item in data["measurements"]:
            taken = Measurement(**item)
            cell = (taken.row, taken.placement, taken.contender)
            self.by_cell.setdefault(cell, []).append(taken)
        measured = {(row, placement) for row, placement, _ in self.by_cell}
        self.lines = [
            Line(row, placement)
            for row in ROWS
            for placement in PLACEMENTS
            if (row.name, placement) in measured
        ]

    def tried(self, line: Line, contender: str) -> int:
        """How many rounds were measured, well or not."""
        return len(self.by_cell.get((line.row.name, line.placement, contender), []))

    def good(self, line: Line, contender: str) -> list[Measurement]:
        taken = self.by_cell.get((line.row.name, line.placement, contender), [])
        return [each for each in taken if each.error is None]

    def failed(self, line: Line, contender: str) -> bool:
        """Whether no round went well, though some were tried."""
        return self.tried(line, contender) > 0 and not self.good(line, contender)

    def figure(self, line: Line, contender: str, key: str) -> Figure | None:
        """`None` where no round went well."""
        values = [MEASURES[key].value(taken) for taken in self.good(line, contender)]
        return Figure(median(values), min(values), max(values)) if values else None

    def ratio(self, line: Line, contender: str, base: str, key: str) -> float | None:
        """How many times better `contender` is than `base`; `None` where there is no telling."""
        ours, theirs = self.figure(line, contender, key), self.figure(line, base, key)
        return theirs.middle / ours.middle if ours and theirs and ours.middle else None

    def ratios_by_round(self, line: Line, contender: str, base: str, key: str) -> list[float]:
        """The same for each round alone, in which both were measured soon after one another."""
        value = MEASURES[key].value
        ours = {taken.round: value(taken) for taken in self.good(line, contender)}
        theirs = {taken.round: value(taken) for taken in self.good(line, base)}
        return [theirs[number] / ours[number] for number in ours.keys() & theirs if ours[number]]

    def better(self, line: Line, key: str) -> list[str]:
        """The peers whose median is better than the subject's."""
        ours = self.figure(line, SUBJECT, key)
        figures = {peer: self.figure(line, peer, key) for peer in self.peers(line)}
        return [
            peer
            for peer, theirs in figures.items()
            if ours and theirs and theirs.middle < ours.middle
        ]

    def peers(self, line: Line) -> list[str]:
        """All that are not nalsil in some form."""
        return [name for name in line.row.contenders if not name.startswith(SUBJECT)]

    def within_spread(self, line: Line, peer: str, key: str) -> bool:
        """Whether the rounds of the subject and of `peer` overlap."""
        ours, theirs = self.figure(line, SUBJECT, key), self.figure(line, peer, key)
        return bool(ours and theirs and ours.overlaps(theirs))
