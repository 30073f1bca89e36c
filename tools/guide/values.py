"""What the probes and the reports of `nalsil compare` measured, as the guide prints it.

A value is the same text in every language: a number with the symbol of its unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))

TIMES = {
    *("task_create", "thread_create", "task_switch", "thread_switch"),
    *("hop", "stock_hop", "lock", "spin"),
}
SIZES = {"task_memory", "thread_memory", "thread_address_space"}
RATIOS = {"held_tasks", "held_threads", "released_tasks", "released_threads"}

QUOTIENTS = {
    "create_ratio": ("thread_create", "task_create"),
    "switch_ratio": ("thread_switch", "task_switch"),
    "memory_ratio": ("thread_memory", "task_memory"),
}
"""Numbers that are one measured number over another."""

MANY = 10_000
"""How many tasks and threads the guide speaks of when it says what many take."""


def of_probes(measured: Mapping[str, float]) -> dict[str, str]:
    """The numbers of all probes together, and those that follow from them, as text."""
    many = {
        f"many_{kind}": _with_unit(MANY * measured[f"{kind[:-1]}_memory"], BYTES)
        for kind in ("tasks", "threads")
    }
    quotients = {
        name: f"{measured[above] / measured[below]:.0f}"
        for name, (above, below) in QUOTIENTS.items()
    }
    return {name: _text(name, value) for name, value in measured.items()} | many | quotients


def of_report(work: str, report: Mapping[str, Any]) -> dict[str, str]:
    """The time of each form at its best concurrency and the verdict, named `WORK.FORM`.

    `-` stands for a form without a time, `~` before one that is predicted.
    """
    numbers = {f"{work}.{form}": "-" for form in ("plain", "coroutines", "threads", "processes")}
    for row in report["forms"]:
        if row["elapsed_s"] and (row["best"] or not row["measured"]):
            sign = "" if row["measured"] else "~"
            time = _with_unit(row["elapsed_s"]["median"], SECONDS)
            numbers[f"{work}.{row['form']}"] = sign + time
    verdict = report["verdict"]
    numbers[f"{work}.verdict"] = f"`{verdict['form']}`"
    numbers[f"{work}.confidence"] = verdict["confidence"]
    numbers[f"{work}.concurrency"] = str(verdict["concurrency"])
    numbers[f"{work}.rule"] = str(verdict["rule"])
    return numbers


def _text(name: str, value: float) -> str:
    if name in TIMES:
        return _with_unit(value, SECONDS)
    if name in SIZES:
        return _with_unit(value, BYTES)
    return f"{value:.2f}" if name in RATIOS else f"{value:,.0f}"


def _with_unit(value: float, units: tuple[tuple[float, str], ...]) -> str:
    """Three digits and the unit in which they are one or more."""
    size, unit = next((u for u in units if abs(value) >= u[0]), units[-1])
    digits = value / size
    return f"{digits:.{0 if digits >= 100 else 1 if digits >= 10 else 2}f} {unit}"
