"""The sweep over concurrencies: all forms, one step each in turn."""

from __future__ import annotations

from nalsil._compare import plan
from nalsil._compare.field import Field
from nalsil._compare.lane import Lane, Request
from nalsil._compare.plan import Portion
from nalsil._compare.rows import seconds_per_unit

SWEEP_UNTIL = 0.6
"""The part of the budget after which no more concurrencies are tried."""

SWEEP_SHARE = 0.3
"""The part of the budget that timed units of the sweep may take; checks and starts come on top."""

USUAL_STEPS = 6
"""Concurrencies that a form is usually tried at."""

SHORTEST_STEP, LONGEST_STEP = 0.03, 0.25
"""Seconds that the timed units of one step take."""

FIRST_SHARE = 0.1
"""The part of the budget that the first measurement of a form may take when it is spent."""


class Climb:
    """Finds each form's best concurrency, roughly."""

    def __init__(self, field: Field) -> None:
        self._field = field

    def run(self) -> None:
        """Try each form at one more concurrency, in turn, until all know their best."""
        if self._field.options.concurrency is None:
            for lane in self._field.lanes:
                self._begin_high(lane)
        going = True
        while going:
            going = False
            for lane in self._field.lanes:
                concurrency = lane.sweep.next()
                if concurrency is not None:
                    going = True
                    self._try(lane, concurrency)

    def _begin_high(self, lane: Lane) -> None:
        """Let the sweep of a form begin where its units gain most, if there is time for few."""
        unit = self._field.units.get(lane.function)
        if unit is not None and self._field.is_long(unit) and lane.sweep.next() is not None:
            steps = plan.ladder(lane.form.scale, self._field.items, self._field.cpus, None)
            lane.sweep.start_at(plan.first_of_long(unit, steps, self._field.cpus))

    def _try(self, lane: Lane, concurrency: int) -> None:
        portion = self._field.portion(lane, concurrency, self._seconds())
        if not self._fits(lane, concurrency, portion):
            lane.sweep.skip(concurrency)
            if self._field.options.concurrency is not None:
                lane.trial(concurrency).fail("skipped", "it did not fit into the budget")
            return
        self._field.progress.show(f"trying {lane.form.name} at {concurrency}")
        request = self._first_request(lane, concurrency, portion)
        if lane.trials:
            reading = lane.measure(request, self._field.budget.limit())
        else:
            reading = self._field.measure_first(lane, request)
        if reading is None or not reading["units"]:
            if reading is not None:
                self._field.note_errors(lane, concurrency, reading)
            lane.sweep.give_up()
            return
        self._field.note_errors(lane, concurrency, reading)
        self._field.compare_results(lane, concurrency, reading)
        lane.trial(concurrency).swept.append(reading)
        lane.sweep.record(concurrency, 1 / seconds_per_unit(reading))
        if lane.trial(concurrency).spoils:
            lane.sweep.give_up()

    def _fits(self, lane: Lane, concurrency: int, portion: Portion) -> bool:
        """Whether a step of the sweep fits into its part of the budget; a first one, at all."""
        expected = self._expected(lane, concurrency, portion)
        if self._field.budget.used() + expected <= self._field.budget.all * SWEEP_UNTIL:
            return True
        if lane.trials or lane.left_out:
            return False
        if lane.function not in self._field.units:
            return self._field.budget.may_try()
        if expected <= max(self._field.budget.left(), FIRST_SHARE * self._field.budget.all):
            return True
        lane.left_out = (
            f"it does not fit into the budget: a unit takes {self._field.unit(lane).wall_s:.3g} s; "
            "hint: raise --budget"
        )
        return False

    def _first_request(self, lane: Lane, concurrency: int, portion: Portion) -> Request:
        unit = self._field.unit(lane)
        if self._field.is_long(unit):
            return Request(concurrency, portion, seed=0, check_timed=True)
        # One at a time nothing can meet, so what went well side by side is not checked again.
        needs_check = concurrency > 1 or not lane.trials
        count = plan.checked_items(unit.wall_s, self._field.items, self._field.budget.all)
        return Request(
            concurrency,
            portion,
            seed=0,
            check=count if needs_check else 0,
            warm=min(concurrency, portion.taken),
        )

    def _seconds(self) -> float:
        """Seconds for one step of the sweep, if all forms take about as many."""
        lanes = [lane for lane in self._field.lanes if lane.left_out is None]
        share = SWEEP_SHARE * self._field.budget.all / (USUAL_STEPS * max(1, len(lanes)))
        return min(LONGEST_STEP, max(SHORTEST_STEP, share))

    def _expected(self, lane: Lane, concurrency: int, portion: Portion) -> float:
        """Seconds that a first measurement is likely to take, checks and warm-up included."""
        unit = self._field.unit(lane)
        units = portion.units
        if not self._field.is_long(unit):
            units += min(concurrency, portion.taken)
            units += plan.checked_items(unit.wall_s, self._field.items, self._field.budget.all)
        handed_over = units * plan.DISPATCH[lane.form.scale]
        running = unit.seconds(units, concurrency, self._field.cpus)
        return lane.start_s + running + handed_over
