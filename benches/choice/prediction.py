"""Does the async version take as long as was predicted from the blocking one?"""

from __future__ import annotations

import statistics
from typing import Any

from benches.choice.compared import BUDGET_S, compare
from benches.choice.exhaustive import Child
from benches.choice.works import WORKS, Work

NAME = "prediction"
ROUNDS, QUICK_ROUNDS = 9, 5
HEADER = ("work", "in flight", "predicted s", "band s", "true s", "inside")


def chosen(*, quick: bool) -> list[Work]:
    return [work for work in WORKS if work.both and (work.quick or not quick)]


def measure(work: Work, *, quick: bool) -> dict[str, Any]:
    """Compare the blocking function alone; then run the async one at the same concurrency."""
    report = compare(work, work.function, budget=10 if quick else BUDGET_S)
    found = [row for row in report["forms"] if row["form"] == "coroutines"]
    child = Child(work, "coroutines")
    cells = []
    try:
        for row in found:
            told = {"note": row["note"], "concurrency": row["concurrency"]}
            if row["status"] == "predicted" and row["band"]:
                concurrency = row["concurrency"]
                child.seconds(concurrency, min(work.items, 4 * concurrency))
                rounds = range(QUICK_ROUNDS if quick else ROUNDS)
                taken = [child.seconds(concurrency, work.items) for _ in rounds]
                told |= {
                    "predicted": row["elapsed_s"]["median"],
                    "band": row["band"],
                    "true": statistics.median(taken),
                    "rounds": taken,
                }
            cells.append(told)
    finally:
        child.end()
    return {"work": work.name, "cells": cells, "report": report}


def inside(cell: dict[str, Any]) -> bool:
    return bool(cell["band"]["low"] <= cell["true"] <= cell["band"]["high"])


def conclusion(outcomes: list[dict[str, Any]]) -> str:
    cells = [cell for each in outcomes for cell in each["cells"] if "true" in cell]
    works = sum(any("true" in cell for cell in each["cells"]) for each in outcomes)
    return (
        f"{sum(map(inside, cells))} of {len(cells)} predictions of {works} works hold;"
        f" {len(outcomes) - works} works were refused"
    )


def rows(outcomes: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    found = []
    for each in outcomes:
        for cell in each["cells"] or [{"note": "no row", "concurrency": None}]:
            if "true" not in cell:
                found.append((each["work"], "", "refused", cell["note"] or "", "", ""))
                continue
            band = f"{cell['band']['low']:.3f} to {cell['band']['high']:.3f}"
            numbers = (f"{cell['predicted']:.3f}", band, f"{cell['true']:.3f}")
            mark = "yes" if inside(cell) else "NO"
            found.append((each["work"], str(cell["concurrency"]), *numbers, mark))
    return found
