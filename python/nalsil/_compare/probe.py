"""The first look at a function: how long a unit takes, and what it returns."""

from __future__ import annotations

from nalsil._compare import plan
from nalsil._compare.field import Field
from nalsil._compare.lane import Lane, Request
from nalsil._compare.plan import Portion, Unit
from nalsil._compare.reading import Reading
from nalsil._compare.rows import seconds_per_unit


class Probe:
    """Looks at each function once, in the first form that runs it."""

    def __init__(self, field: Field) -> None:
        self._field = field

    def run(self, lane: Lane) -> None:
        """Learn how long a unit takes, and what it returns, from the first form that runs it."""
        concurrency = lane.sweep.lowest
        done = lane.sweep.next() is None or lane.function in self._field.units
        if done or lane.form.scale == "executor":
            return
        count, last = 1, 0
        while count > last * plan.MORE_CHECKED and self._field.budget.may_try():
            request = Request(concurrency, Portion(count, 1), seed=0, check_timed=True)
            self._field.progress.show(f"first look at {lane.title}")
            reading = self._field.measure_first(lane, request)
            if reading is None or not reading["units"]:
                break
            self._take(lane, concurrency, reading)
            unit = self._field.units[lane.function]
            last = count
            if not self._field.is_long(unit):
                count = plan.checked_items(unit.wall_s, self._field.items, self._field.budget.all)
        trial = lane.trial(concurrency)
        if trial.status != "ok" or not trial.swept:
            lane.sweep.give_up()
        elif concurrency == 1 or self._field.is_long(self._field.unit(lane)):
            lane.sweep.record(concurrency, 1 / seconds_per_unit(trial.swept[0]))
        else:
            # So few units say how long one takes, but not how many side by side do.
            trial.swept.clear()

    def _take(self, lane: Lane, concurrency: int, reading: Reading) -> None:
        wall, cpu = seconds_per_unit(reading), reading["cpu_s"] / reading["units"]
        if latencies := reading["check_latencies"]:
            wall = sum(latencies) / len(latencies) / 1e9
        self._field.units[lane.function] = Unit(wall, cpu)
        self._field.note_errors(lane, concurrency, reading)
        if self._field.results.reference in (None, lane.title):
            self._field.results.take_reference(lane.title, reading)
        else:
            self._field.compare_results(lane, concurrency, reading)
        lane.trial(concurrency).swept[:] = [reading]
