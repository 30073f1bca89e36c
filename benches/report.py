"""From measurements to a report: medians, spreads, ratios, and who is behind whom.

`python benches/report.py RESULTS.json` prints the report of an earlier run again.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from loops import SUBJECT
from measure import Measurement
from rows import ROWS

CLIENT_BOUND = 0.9
"""From this part of its processor's time on, the client decides the throughput."""

YARDSTICKS = ("asyncio", "uvloop")

LEGEND = f"""\
Each number is the median of the rounds, ± half the distance from the smallest to the largest.
`x` is the ratio to asyncio, more than 1 being better, in throughput as in CPU time: the median of
the ratios within each round, in which all loops were measured within seconds of one another, so
that a machine which is slower in some rounds than in others is so for all of them. The best
number of a row is **bold**. `†`: the client was busy for more than
{CLIENT_BOUND:.0%} of the time, so the throughput says more about the client than about the loop.
CPU time is that of the whole process that runs the loop, all its threads included. In the column
"behind", `~` stands before a loop that is not told apart from {SUBJECT}: the 95 % interval of the
ratio has 1 in it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to look at a measurement; `sign` is 1 where more is better, -1 where less is."""

    title: str
    sign: int
    value: Callable[[Measurement], float]
    show: Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """The rounds of one row and one loop, in one measure."""

    middle: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Half the distance from the smallest to the largest, as a part of the median."""
        return (self.high - self.low) / 2 / self.middle


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the median, by order statistics; of few values, all of them."""
    ordered = sorted(values)
    outside = max(0, round(len(ordered) / 2 - 0.98 * len(ordered) ** 0.5))
    return ordered[outside], ordered[-1 - outside]


def told_apart(ratios: Sequence[float]) -> bool:
    """Whether these are ratios of one that is better, or worse, and not of equals."""
    low, high = interval(ratios)
    return not low <= 1 <= high


def per_second(value: float) -> str:
    """Operations per second with three digits that count."""
    for limit, divisor, suffix in ((1e6, 1e6, " M"), (1e3, 1e3, " k")):
        if value >= limit * 0.9995:
            return three_digits(value / divisor) + suffix
    return three_digits(value)


def three_digits(value: float) -> str:
    if value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.9995 else f"{value:.3f}"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


MEASURES = (
    Measure("throughput, operations per second", 1, lambda taken: taken.per_second, per_second),
    Measure("CPU, µs per operation", -1, lambda taken: taken.cpu_microseconds, three_digits),
)


class Results:
    """The measurements of a run by row and loop, with what is known of the run."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.loops: list[str] = data["loops"]
        self.by_cell: dict[tuple[str, str], list[Measurement]] = {}
        for item in data["measurements"]:
            taken = Measurement(**item)
            self.by_cell.setdefault((taken.row, taken.loop), []).append(taken)
        measured = {row for row, _ in self.by_cell}
        self.rows = [row for row in ROWS if row.name in measured]
        self.peers = [loop for loop in self.loops if loop != SUBJECT]

    def good(self, row: str, loop: str) -> list[Measurement]:
        return [taken for taken in self.by_cell.get((row, loop), []) if taken.error is None]

    def errors(self, row: str, loop: str) -> list[str]:
        return [taken.error for taken in self.by_cell.get((row, loop), []) if taken.error]

    def figure(self, row: str, loop: str, measure: Measure) -> Figure | None:
        """`None` where no round went well."""
        values = [measure.value(taken) for taken in self.good(row, loop)]
        return Figure(median(values), min(values), max(values)) if values else None

    def ratios(self, row: str, loop: str, base: str, measure: Measure) -> list[float]:
        """How many times better `loop` is than `base`, in each round that has both."""
        ours = {taken.round: measure.value(taken) for taken in self.good(row, loop)}
        theirs = {taken.round: measure.value(taken) for taken in self.good(row, base)}
        both = sorted(ours.keys() & theirs)
        return [(ours[number] / theirs[number]) ** measure.sign for number in both]

    def ratio(self, row: str, loop: str, base: str, measure: Measure) -> float | None:
        """The median of them; `None` where one of the two has no number."""
        ratios = self.ratios(row, loop, base, measure)
        return median(ratios) if ratios else None

    def client_bound(self, row: str, loop: str) -> bool:
        busy = [taken.client_busy for taken in self.good(row, loop) if taken.client_busy]
        return bool(busy) and median(busy) > CLIENT_BOUND

    def better(self, row: str, measure: Measure) -> list[str]:
        """The peers that are better than the subject."""
        ratios = {peer: self.ratio(row, SUBJECT, peer, measure) for peer in self.peers}
        return [peer for peer, ratio in ratios.items() if ratio is not None and ratio < 1]

    def failed(self, row: str, loop: str) -> bool:
        """Whether no round went well, though some were tried."""
        return bool(self.errors(row, loop)) and not self.good(row, loop)

    def told_apart(self, row: str, peer: str, measure: Measure) -> bool:
        """Whether the rounds say which of the subject and of `peer` is better."""
        ratios = self.ratios(row, SUBJECT, peer, measure)
        return bool(ratios) and told_apart(ratios)

    def undecided(self, row: str) -> bool:
        """Whether more rounds could tell the subject from a yardstick."""
        return any(
            not self.told_apart(row, base, measure)
            for base in YARDSTICKS
            if self.good(row, base) and self.good(row, SUBJECT)
            for measure in MEASURES
        )


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too."""
    body = [list(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    ruler = ["-" * width for width in widths]
    lined_up = (map(str.ljust, line, widths) for line in (head, ruler, *body))
    return "\n".join(f"| {' | '.join(line)} |" for line in lined_up)


def render(data: dict[str, Any], *, details: bool = True) -> str:
    """The whole report in Markdown; without `details` the table of every number is left out."""
    results = Results(data)
    parts = ["# Event loops side by side", circumstances(data), LEGEND, *summary(results)]
    for name in dict.fromkeys(row.table for row in results.rows):
        parts.append(f"## {name}")
        # A client has its share in the throughput, so there the CPU time comes first.
        for measure in MEASURES if name == "micro" else reversed(MEASURES):
            parts += [f"### {name}: {measure.title}", overview(results, name, measure)]
    parts += failures(results)
    if details:
        parts += ["## Every number", every_number(results)]
    return "\n\n".join(parts) + "\n"


def circumstances(data: dict[str, Any]) -> str:
    facts = {"date": data["date"], **data["machine"], **data["settings"]}
    facts["versions"] = ", ".join(f"{name} {number}" for name, number in data["versions"].items())
    for name, reason in data["left_out"].items():
        facts[f"without {name}"] = reason
    return table(("", ""), ((key, str(value)) for key, value in facts.items()))


def summary(results: Results) -> list[str]:
    """How often the subject is ahead of each peer, and every row in which it is not."""
    if SUBJECT not in results.loops:
        return []
    counts = [
        (peer, *(score(results, peer, measure) for measure in MEASURES)) for peer in results.peers
    ]
    head = ("against", *(f"rows ahead: {measure.title}" for measure in MEASURES))
    parts = [f"## {SUBJECT} against the others", table(head, counts)]
    behind = list(behind_lines(results))
    if not behind:
        return [*parts, f"{SUBJECT} is behind nobody in any row."]
    columns = ("row", "measure", "behind", "ratio", "told apart")
    return [*parts, f"### Where {SUBJECT} is behind", table(columns, behind)]


def score(results: Results, peer: str, measure: Measure) -> str:
    """`AHEAD of COMPARED`, counting as behind each row that fails on the subject alone."""
    compared = [row.name for row in results.rows if results.figure(row.name, peer, measure)]
    ahead = [name for name in compared if (results.ratio(name, SUBJECT, peer, measure) or 0.0) >= 1]
    return f"{len(ahead)} of {len(compared)}"


def behind_lines(results: Results) -> Iterator[tuple[str, ...]]:
    for row in (row.name for row in results.rows):
        if results.failed(row, SUBJECT):
            yield row, "all", "everybody", "", f"{SUBJECT} failed"
        for measure in MEASURES:
            for peer in results.better(row, measure):
                ratio = show_ratio(results.ratio(row, SUBJECT, peer, measure))
                told = results.told_apart(row, peer, measure)
                yield row, measure.title, peer, ratio, "yes" if told else "no"


def overview(results: Results, table_name: str, measure: Measure) -> str:
    """A line per row, a column per loop, and where the subject stands."""
    ours = SUBJECT in results.loops
    bases = [base for base in YARDSTICKS if base in results.peers] if ours else []
    head = ["row", *results.loops, *(f"{SUBJECT} / {base}" for base in bases)]
    lines = []
    for row in (row.name for row in results.rows if row.table == table_name):
        line = [row.partition("/")[2], *cells(results, row, measure)]
        line += [show_ratio(results.ratio(row, SUBJECT, base, measure)) for base in bases]
        if ours:
            line.append(behind_whom(results, row, measure))
        lines.append(line)
    return table([*head, "behind"] if ours else head, lines)


def cells(results: Results, row: str, measure: Measure) -> Iterator[str]:
    figures = {loop: results.figure(row, loop, measure) for loop in results.loops}
    middles = [figure.middle * measure.sign for figure in figures.values() if figure]
    for loop, figure in figures.items():
        if figure is None:
            yield "failed" if results.errors(row, loop) else ""
            continue
        text = measure.show(figure.middle)
        if figure.middle * measure.sign == max(middles):
            text = f"**{text}**"
        ratio = results.ratio(row, loop, "asyncio", measure)
        marks = [text, f"±{figure.spread:.0%}"]
        if loop != "asyncio" and ratio is not None:
            marks.append(f"{ratio:.2f}x")
        if measure.sign > 0 and results.client_bound(row, loop):
            marks.append("†")
        if failed := results.errors(row, loop):
            marks.append(f"({len(failed)} failed)")
        yield " ".join(marks)


def behind_whom(results: Results, row: str, measure: Measure) -> str:
    """The peers that are better; `~` before those that are not told apart from the subject."""
    if results.failed(row, SUBJECT):
        return "failed"
    return ", ".join(
        f"{'' if results.told_apart(row, peer, measure) else '~'}{peer}"
        for peer in results.better(row, measure)
    )


def show_ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def failures(results: Results) -> list[str]:
    lines = [
        (row, loop, f"{len(errors)} of {len(rounds)}", errors[-1].replace("|", "\\|"))
        for (row, loop), rounds in results.by_cell.items()
        if (errors := results.errors(row, loop))
    ]
    if not lines:
        return []
    return ["## Failures", table(("row", "loop", "rounds", "the last one"), lines)]


def every_number(results: Results) -> str:
    head = ["row", "loop", "rounds"]
    for unit in ("per s", "CPU µs"):
        head += [f"{unit}: median", "min", "max", *(f"x {base}" for base in YARDSTICKS)]
    lines = []
    for row in (row.name for row in results.rows):
        for loop in results.loops:
            line = [row, loop, str(len(results.good(row, loop)))]
            for measure in MEASURES:
                line += numbers(results, row, loop, measure)
            lines.append(line)
    return table(head, lines)


def numbers(results: Results, row: str, loop: str, measure: Measure) -> list[str]:
    figure = results.figure(row, loop, measure)
    if figure is None:
        return [""] * (3 + len(YARDSTICKS))
    shown = [measure.show(value) for value in (figure.middle, figure.low, figure.high)]
    ratios = (results.ratio(row, loop, base, measure) for base in YARDSTICKS)
    return [*shown, *map(show_ratio, ratios)]


def main(file: str) -> None:
    data = json.loads(Path(file).read_text())
    if data.get("suite") == "threads":
        # It takes its tables from this module.
        print(importlib.import_module("threads.report").render(data))
    else:
        print(render(data))


if __name__ == "__main__":
    main(*sys.argv[1:])
