"""The reports whose pages are tested: three that were judged and kept, and variants of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Report = dict[str, Any]

KEPT = Path(__file__).parent / "reports"


def kept(name: str) -> Report:
    """A report as `judge` gave it."""
    report: Report = json.loads((KEPT / f"{name}.json").read_text())
    return report


def one_form() -> Report:
    """A single row, and a verdict for it."""
    report = kept("network")
    report["forms"] = report["forms"][:1]
    report["verdict"] |= {"form": "plain", "function": "fetch", "concurrency": 1, "rule": 1}
    return report


def nothing_ran() -> Report:
    """Rows that failed, were skipped, timed out or differ, and no form to take."""
    report = kept("network")
    report["forms"] = [row for row in report["forms"] if not row["measured"]]
    nobody = {"form": None, "function": None, "concurrency": None, "rule": None}
    report["verdict"] |= nobody | {"confidence": "withheld", "runner_up": None, "flips": []}
    return report


def without_rows() -> Report:
    """What is left if the user stops at once."""
    return nothing_ran() | {"forms": []}


def not_judged() -> Report:
    """A report before its verdict."""
    return kept("network") | {"verdict": None}


def large() -> Report:
    """Ten forms, sixteen concurrencies each: more than a budget can hold."""
    report = kept("network")
    row = next(row for row in report["forms"] if row["best"])
    report["forms"] = [
        row | {"form": form, "concurrency": 2**power, "best": power == 7}
        for form in ("plain", "coroutines", "threads", "processes", *(f"own {n}" for n in range(6)))
        for power in range(16)
    ]
    return report


CASES: dict[str, Callable[[], Report]] = {
    "network": lambda: kept("network"),
    "busy machine": lambda: kept("busy_machine"),
    "stopped early": lambda: kept("stopped_early"),
    "one form": one_form,
    "nothing ran": nothing_ran,
    "without rows": without_rows,
    "not judged": not_judged,
    "large": large,
}


def at(report: Report, path: str) -> Any:
    """What stands at a path such as `forms.2.latency_s.p50`; None below a null."""
    value: Any = report
    for key in path.split("."):
        if value is None:
            return None
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def row_of(report: Report, path: str) -> Any:
    """The row that holds what stands at `path`."""
    return report["forms"][int(path.split(".")[1])]


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that is neither an object nor a list, with its path."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in inner:
            yield from leaves(part, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
