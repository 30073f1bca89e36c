"""The table, the lists under it and the JSON file."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import verdicts
from .verdicts import BAD, Judged, Report

STOPPED = (verdicts.HANG, verdicts.CRASH)
COLUMNS = (
    ("passed", (verdicts.PASSED,)),
    ("skipped", (verdicts.SKIPPED,)),
    ("excepted", (verdicts.EXCEPTED,)),
    ("on stock too", (verdicts.ENVIRONMENT,)),
    ("hang, crash", STOPPED),
    ("failed", tuple(verdict for verdict in BAD if verdict not in STOPPED)),
)
HEADINGS = ("module", "tests", *(title for title, _ in COLUMNS), "on loop", "seconds")


def row(report: Report) -> list[str]:
    counts = report.counts()
    cells = [sum(counts[verdict] for verdict in kinds) for _, kinds in COLUMNS]
    numbers = [len(report.judged), *cells, report.on_loop()]
    return [report.module, *(str(n or "-") for n in numbers), f"{report.seconds:.1f}"]


def total(reports: list[Report], seconds: float) -> list[str]:
    everything = Report("all", reports[0].loop if reports else "")
    everything.judged = [one for report in reports for one in report.judged]
    everything.seconds = seconds
    return row(everything)


def table(reports: list[Report], seconds: float) -> str:
    """One line a module and one for all; `seconds` is the time of the whole run."""
    rows = [list(HEADINGS), *map(row, reports), total(reports, seconds)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def listing(reports: Iterable[Report], verdict: str) -> Iterator[str]:
    """The tests with a verdict, each with its reason on a line."""
    for report in reports:
        for one in report.judged:
            if one.verdict == verdict:
                yield f"  {one.outcome.test}" + (f": {one.note}" if one.note else "")


def by_cause(reports: Iterable[Report]) -> Iterator[str]:
    """The bad tests, those with the same cause together, the most frequent cause first."""
    causes: dict[tuple[str, str], list[str]] = {}
    for report in reports:
        for one in report.judged:
            if one.bad:
                causes.setdefault((one.verdict, one.note), []).append(one.outcome.test)
    for (verdict, note), tests in sorted(causes.items(), key=lambda item: -len(item[1])):
        yield f"  {verdict}, {len(tests)} times: {note}"
        yield from (f"      {test}" for test in tests)


def stale_entries(reports: Iterable[Report]) -> Iterator[str]:
    for report in reports:
        for entry in report.stale:
            yield f"  no such test     {entry.test}: the entry is stale; hint: take it out"


def details(reports: Iterable[Report]) -> Iterator[str]:
    """The whole traceback or the stacks of every bad test."""
    for report in reports:
        for one in report.judged:
            if one.bad and one.outcome.detail:
                yield detail(one)


def detail(one: Judged) -> str:
    title = f"{one.verdict}: {one.outcome.test}"
    return f"{'=' * 70}\n{title}\n{'-' * 70}\n{one.outcome.detail.rstrip()}"


def claim(reports: list[Report]) -> str:
    """How many tests really ran on the chosen loop."""
    tests = sum(len(report.judged) for report in reports)
    on_loop = sum(report.on_loop() for report in reports)
    loop = reports[0].loop if reports else "?"
    return (
        f"{on_loop} of {tests} tests made a loop of `{loop}`; the others make none, or one of mocks"
    )


def write_json(path: Path, reports: list[Report], seconds: float) -> None:
    """Everything that was seen, for programs to read."""
    path.write_text(
        json.dumps(
            {
                "python": platform.python_version(),
                "loop": reports[0].loop if reports else None,
                "seconds": round(seconds, 1),
                "ok": all(report.ok for report in reports),
                "modules": [as_json(report) for report in reports],
            },
            indent=1,
        )
        + "\n"
    )


def as_json(report: Report) -> dict[str, object]:
    return {
        "module": report.module,
        "skipped": report.skipped,
        "outside": report.outside,
        "seconds": round(report.seconds, 1),
        "counts": report.counts(),
        "stale": [entry.test for entry in report.stale],
        "tests": [
            {
                "test": one.outcome.test,
                "verdict": one.verdict,
                "note": one.note,
                "seconds": round(one.outcome.seconds, 3),
                "loops": one.outcome.loops,
                "stock_loops": one.outcome.stock_loops,
                "detail": one.outcome.detail if one.bad else "",
            }
            for one in report.judged
        ],
    }
