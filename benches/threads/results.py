"""The measurements of a run, and what can be asked of them: medians, spreads, ratios."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from loops import SUBJECT
from report import Figure, told_apart

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
        ratios = self.ratios_by_round(line, contender, base, key)
        return median(ratios) if ratios else None

    def ratios_by_round(self, line: Line, contender: str, base: str, key: str) -> list[float]:
        """The same for each round alone, in which both were measured soon after one another."""
        value = MEASURES[key].value
        ours = {taken.round: value(taken) for taken in self.good(line, contender)}
        theirs = {taken.round: value(taken) for taken in self.good(line, base)}
        return [theirs[number] / ours[number] for number in ours.keys() & theirs if ours[number]]

    def better(self, line: Line, key: str) -> list[str]:
        """The peers that are better than the subject."""
        ratios = {peer: self.ratio(line, SUBJECT, peer, key) for peer in self.peers(line)}
        return [peer for peer, ratio in ratios.items() if ratio is not None and ratio < 1]

    def peers(self, line: Line) -> list[str]:
        """All that are not nalsil in some form."""
        return [name for name in line.row.contenders if not name.startswith(SUBJECT)]

    def told_apart(self, line: Line, peer: str, key: str) -> bool:
        """Whether the rounds say which of the subject and of `peer` is better."""
        ratios = self.ratios_by_round(line, SUBJECT, peer, key)
        return bool(ratios) and told_apart(ratios)
