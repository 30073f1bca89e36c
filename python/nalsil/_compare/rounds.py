"""The rounds in which those that may win are measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nalsil._compare import plan
from nalsil._compare.field import Field
from nalsil._compare.lane import Lane, Request
from nalsil._compare.plan import Standing
from nalsil._compare.rows import interval_of_median, seconds_per_unit

FEWEST_ROUNDS = 3
"""Rounds of a form that has no hope: as many as tell a spread."""

MOST_ROUNDS = 50
"""More rounds than these are not run unless asked for, however much of the budget is left."""


class Rounds:
    """Measures the contenders again and again, interleaved and in changing order.

    `foreseen` tells of which threads coroutines will be predicted, by function and concurrency: one
    look of the sweep is too little to rest that on.
    """

    def __init__(self, field: Field, foreseen: Callable[[], tuple[str, int] | None]) -> None:
        self._field = field
        self._foreseen = foreseen

    def run(self) -> None:
        """Measure those who may win again and again, until it is clear or the time is over."""
        runners: list[tuple[Lane, int]] = []
        least, seconds = self._field.options.rounds, 0.0
        for number in range(max(MOST_ROUNDS, least)):
            # Who was lucky in the sweep has to show it again, so that only rounds decide.
            runners += [runner for runner in self._contenders() if runner not in runners]
            if number == 0:
                seconds = plan.round_seconds(self._field.budget.left(), least, max(1, len(runners)))
            if self._field.budget.left() <= 0 or (number >= least and self._is_clear(runners)):
                break
            for index in plan.order_of_round(len(runners), number):
                self._measure(*runners[index], number, seconds)

    def _contenders(self) -> list[tuple[Lane, int]]:
        standings = [Standing(lane.title, lane.times()) for lane in self._field.lanes]
        chosen = [(self._field.lanes[index], step) for index, step in plan.contenders(standings)]
        if foreseen := self._foreseen():
            function, step = foreseen
            chosen += [
                (lane, step)
                for lane in self._field.lanes
                if (lane.form.name, lane.function) == ("threads", function)
                and (lane, step) not in chosen
            ]
        return chosen

    def _measure(self, lane: Lane, concurrency: int, number: int, seconds: float) -> None:
        trial = lane.trial(concurrency)
        if trial.status != "ok":
            return
        best = min(self._times().values(), default=0.0)
        own = trial.seconds_per_unit or 0.0
        if len(trial.rounds) >= FEWEST_ROUNDS and plan.is_hopeless(own, best):
            return
        portion = self._field.portion(lane, concurrency, seconds)
        warm = 0 if self._field.is_long(self._field.unit(lane)) else min(concurrency, portion.taken)
        if lane.start_s + (portion.units + warm) * own > self._field.budget.left():
            return
        self._field.progress.show(f"round {number + 1}: {lane.form.name} at {concurrency}")
        request = Request(concurrency, portion, seed=number + 1, warm=warm)
        reading = lane.measure(request, self._field.budget.limit())
        if reading is not None and reading["units"]:
            trial.rounds.append(reading)
            self._field.note_errors(lane, concurrency, reading)

    def _times(self) -> dict[tuple[str, int], float]:
        return {
            (lane.title, step): seconds
            for lane in self._field.lanes
            for step, seconds in lane.times().items()
        }

    def _is_clear(self, runners: Sequence[tuple[Lane, int]]) -> bool:
        """Whether the interval of the fastest lies apart from those of all other forms."""
        spans = []
        for lane, concurrency in runners:
            if len(lane.trial(concurrency).rounds) < FEWEST_ROUNDS and lane.times():
                return False
            times = [seconds_per_unit(r) for r in lane.trial(concurrency).rounds]
            if times and lane.trial(concurrency).status == "ok":
                spans.append((sorted(times)[len(times) // 2], interval_of_median(times), lane))
        if len(spans) < 2:
            return True
        spans.sort(key=lambda span: span[0])
        _, (_, high), fastest = spans[0]
        return all(low > high for _, (low, _), lane in spans[1:] if lane is not fastest)
