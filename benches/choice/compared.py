"""`nalsil compare` as a user runs it, and what its report says."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benches.choice.works import Work

BUDGET_S = 30


def compare(work: Work, functions: str, *options: str, budget: float = BUDGET_S) -> dict[str, Any]:
    """The report of the command.

    Raises:
        RuntimeError: it gave none, with what it complained of.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        line = ["compare", f"{work.path.name}:{functions}", "--items", str(work.items)]
        line += ["--budget", f"{budget:g}", "--json", str(report), *options]
        answer = subprocess.run(
            [sys.executable, "-m", "nalsil", *line],
            cwd=work.path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0 or not report.exists():
            raise RuntimeError(f"status {answer.returncode}: {answer.stderr[-500:].strip()}")
        return json.loads(report.read_text())


def contradiction(report: dict[str, Any]) -> str | None:
    """How the verdict contradicts its own table, or None.

    It may name the fastest row, one whose interval overlaps with it, one of the same form within
    5 % of it, or plain code when nothing gains a tenth.
    """
    rows = [row for row in report["forms"] if row["measured"] and row["status"] == "ok"]
    verdict = report["verdict"]
    chosen = [
        row
        for row in rows
        if (row["form"], row["concurrency"]) == (verdict["form"], verdict["concurrency"])
    ]
    if not chosen:
        return f"no measured row is `{verdict['form']}` at {verdict['concurrency']}"
    fastest = min(rows, key=lambda row: row["elapsed_s"]["median"])
    ratio = chosen[0]["elapsed_s"]["median"] / fastest["elapsed_s"]["median"]
    allowed = 1.0
    if chosen[0]["elapsed_s"]["low"] <= fastest["elapsed_s"]["high"]:
        allowed = math.inf
    elif chosen[0]["form"] == fastest["form"]:
        allowed = 1.055
    elif chosen[0]["form"] == "plain":
        allowed = 1.1
    if ratio <= allowed:
        return None
    return f"`{fastest['form']}` at {fastest['concurrency']} is {ratio:.2f} times as fast"
