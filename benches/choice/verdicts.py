"""Is the verdict the true best form, or within a tenth of it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benches.choice.compared import BUDGET_S, compare, contradiction
from benches.choice.exhaustive import FULL, QUICK, Cell, Exhaustive
from benches.choice.works import WORKS, Work

NAME = "verdicts"
ALLOWED = 1.10
"""How many times the true best's seconds the verdict's may be."""
QUICK_BUDGET_S = 10


@dataclass(frozen=True)
class Outcome:
    """A work's verdict beside the truth; kept as JSON."""

    data: dict[str, Any]

    @property
    def right(self) -> bool:
        return self.data["ratio"] <= ALLOWED

    @property
    def line(self) -> tuple[str, ...]:
        best, verdict = self.data["best"], self.data["verdict"]
        note = self.data["contradiction"] or ""
        return (
            self.data["work"],
            verdict,
            self.data["confidence"],
            best,
            f"{self.data['ratio']:.2f}",
            "withheld" if not is_settled(self.data) else "yes" if self.right else "NO",
            note,
        )


HEADER = ("work", "verdict", "confidence", "true best", "ratio", "right", "contradiction")


def chosen(*, quick: bool) -> list[Work]:
    return [work for work in WORKS if work.quick or not quick]


def measure(work: Work, *, quick: bool) -> dict[str, Any]:
    """Ask the command, then look at everything."""
    report = compare(work, work.functions, budget=QUICK_BUDGET_S if quick else BUDGET_S)
    verdict = report["verdict"]
    asked = Cell(verdict["form"], verdict["concurrency"])
    with Exhaustive(work, QUICK if quick else FULL) as exhaustive:
        exhaustive.first_pass()
        exhaustive.final_rounds(asked)
        measured = exhaustive.measured
    return {
        "work": work.name,
        "verdict": str(asked),
        "confidence": verdict["confidence"],
        "best": str(measured.best),
        "ratio": measured.median(asked) / measured.median(measured.best),
        "contradiction": contradiction(report),
        "report": report,
        **measured.to_json(),
    }


def is_settled(outcome: dict[str, Any]) -> bool:
    """Whether there was a verdict: on a busy machine it is withheld."""
    return bool(outcome["confidence"] != "withheld")


def conclusion(outcomes: list[dict[str, Any]]) -> str:
    judged = [each for each in outcomes if is_settled(each)]
    right = sum(Outcome(each).right for each in judged)
    plain = sum(each["contradiction"] is not None for each in judged)
    text = (
        f"{right} of {len(judged)} verdicts are the true best or within {ALLOWED - 1:.0%} of it;"
        f" {plain} contradict their own table"
    )
    if withheld := len(outcomes) - len(judged):
        text += f"; {withheld} were withheld, as the machine was busy: run it again for them"
    return text


def rows(outcomes: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [Outcome(each).line for each in outcomes]
