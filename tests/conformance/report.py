"""The table, the lists under it and the JSON file."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import verdicts
from .made import KINDS
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
HEADINGS = ("tests", *(title for title, _ in COLUMNS), "on loop", "on pool", "seconds")


def row(report: Report) -> list[str]:
    counts = report.counts()
    cells = [sum(counts[verdict] for verdict in kinds) for _, kinds in COLUMNS]
    numbers = [len(report.judged), *cells, report.on("loops"), report.on("pools")]
    return [report.module, *(str(n or "-") for n in numbers), f"{report.seconds:.1f}"]


def total(name: str, reports: list[Report], seconds: float) -> Report:
    """The reports as one."""
    everything = Report(name, name, reports[0].loop if reports else "")
    everything.judged = [one for report in reports for one in report.judged]
    everything.seconds = seconds
    return everything


def table(reports: list[Report], seconds: float) -> str:
    """One line a module, those of a suite together, and one for all.

    `seconds` is the time of the whole run.
    """
    rows: list[list[str]] = []
    for suite, members in by_suite(reports).items():
        rows += [[suite, *HEADINGS], *map(row, members)]
        if len(members) > 1:
            spent = sum(report.seconds for report in members)
            rows.append(row(total("together", members, spent)))
        rows.append([])
    rows.append(row(total("all", reports, seconds)))
    widths = [max(len(line[i]) for line in rows if line) for i in range(len(rows[-1]))]
    return "\n".join(aligned(line, widths) for line in rows)


def aligned(line: list[str], widths: list[int]) -> str:
    """The cells of a line under one another, the first at the left."""
    return "  ".join(
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=bool(line)))
    )


def by_suite(reports: Iterable[Report]) -> dict[str, list[Report]]:
    groups: dict[str, list[Report]] = {}
    for report in reports:
        groups.setdefault(report.suite, []).append(report)
    return groups


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


def claim(reports: Iterable[Report]) -> Iterator[str]:
    """How many tests of each suite really ran on the chosen loop and the chosen pool."""
    for suite, members in by_suite(reports).items():
        whole = total(suite, members, 0.0)
        yield (
            f"{suite}: of {len(whole.judged)} tests, {whole.on('loops')} made a loop of "
            f"`{whole.loop}` and {whole.on('pools')} a pool; the others make none, or one of mocks"
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
        "suite": report.suite,
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
                **{kind: getattr(one.outcome, kind) for kind in KINDS},
                "detail": one.outcome.detail if one.bad else "",
            }
            for one in report.judged
        ],
    }
