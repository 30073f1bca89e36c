"""The report of a comparison, without its verdict."""

from __future__ import annotations

from typing import Any

from nalsil._compare import machine, plan
from nalsil._compare.field import Field
from nalsil._compare.lane import mark_best
from nalsil._compare.protocol import Message
from nalsil._compare.rows import Row, sampler_cost

RATE = 250.0
"""Looks of the sampler per second."""


class Report:
    """What a comparison has found."""

    def __init__(
        self, field: Field, described: Message, effective: list[float], *, is_interrupted: bool
    ) -> None:
        self._field, self._described = field, described
        self._effective, self._is_interrupted = effective, is_interrupted

    def as_json(self) -> Row:
        """Return the report as the contract has it."""
        rows = [row for lane in self._field.lanes for row in lane.rows(self._field.items)]
        mark_best(rows, self._chosen())
        functions = self._described["functions"]
        return {
            "schema": 1,
            "work": {
                "target": self._field.options.target_text,
                "functions": [{"name": f["name"], "async": f["async"]} for f in functions],
                "items": self._field.items,
                "items_source": self._field.options.items_source,
                "takes_item": any(f["takes_item"] for f in functions),
                "rounds": self._field.options.rounds,
                "budget_s": self._field.budget.all,
                "took_s": self._field.budget.spent(),
                "interrupted": self._is_interrupted,
                "warnings": self._field.results.warnings(),
            },
            "machine": self._machine(),
            "python": machine.describe_python(),
            "sampler": self._sampler(),
            "forms": rows,
        }

    def _chosen(self) -> set[tuple[str, str, int]]:
        """The concurrency of each form that goes into the verdict."""
        found = set()
        for lane in self._field.lanes:
            times = lane.times()
            counted = {s: t for s, t in times.items() if len(lane.trials[s].rounds) > 1} or times
            if (step := plan.knee({s: 1 / t for s, t in counted.items()})) is not None:
                found.add((lane.form.name, lane.function, step))
        return found

    def _machine(self) -> Row:
        # Clocks that are read a moment apart may tell a little more than there is.
        known = [min(cores, self._field.cpus) for cores in self._effective] or [
            float(self._field.cpus)
        ]
        return {
            **machine.describe_machine(),
            "effective_cores": sum(known) / len(known),
            "effective_cores_low": min(known),
        }

    def _sampler(self) -> dict[str, Any]:
        readings = [
            reading
            for lane in self._field.lanes
            for trial in lane.trials.values()
            for reading in trial.swept + trial.rounds
        ]
        unknown = sorted({key for reading in readings for key in reading["unknown"]})
        return {"rate_hz": RATE, "cost_share": sampler_cost(readings), "unknown": unknown}
