"""Who takes part in a comparison, and what is known of the work so far."""

from __future__ import annotations

from nalsil._compare import machine, plan
from nalsil._compare.budget import Budget
from nalsil._compare.lane import Lane, Request
from nalsil._compare.options import Options
from nalsil._compare.plan import Portion, Unit
from nalsil._compare.progress import Progress
from nalsil._compare.reading import Reading
from nalsil._compare.results import Results


class Field:
    """The lanes of one comparison, with what they share.

    Attributes:
        items: how many items the work has.
        units: what is known of a unit, by function.
        results: what the reference returned.
    """

    def __init__(self, options: Options, budget: Budget, progress: Progress) -> None:
        self.options, self.budget, self.progress = options, budget, progress
        self.cpus = machine.cpus()
        self.items = 0
        self.lanes: list[Lane] = []
        self.units: dict[str, Unit] = {}
        self.results = Results()

    def unit(self, lane: Lane) -> Unit:
        """What is known of a unit; if nothing is, one that asks for careful steps."""
        known = self.units.get(lane.function)
        return known or Unit(self.budget.all / plan.LONG, 0.0)

    def is_long(self, unit: Unit) -> bool:
        """Return whether the budget holds but few units."""
        return unit.wall_s * plan.LONG > self.budget.all

    def measure_first(self, lane: Lane, request: Request) -> Reading | None:
        """Run the first measurement of a form.

        If it hangs until the user's own timeout, that is no time that the other forms have less.
        """
        began = self.budget.spent()
        reading = lane.measure(request, self.budget.limit(is_first=True))
        if lane.trial(request.concurrency).is_late:
            self.budget.forgive(self.budget.spent() - began)
        return reading

    def portion(self, lane: Lane, concurrency: int, seconds: float) -> Portion:
        """Return what a form is likely to get done in so many seconds."""
        unit = self.unit(lane)
        known = lane.times()
        if concurrency in known:
            rate = 1 / known[concurrency]
        elif known:
            nearest = min(known, key=lambda step: abs(step - concurrency))
            rate = min(1.0, concurrency / nearest) / known[nearest]
            # Few units of a sweep may all have been short ones.
            rate = min(rate, unit.rate(concurrency, self.cpus))
        else:
            rate = 1 / (1 / unit.rate(concurrency, self.cpus) + plan.DISPATCH[lane.form.scale])
        waves = 1 if self.is_long(unit) else 2
        return plan.portion(rate, concurrency, self.items, seconds, waves)

    def note_errors(self, lane: Lane, concurrency: int, reading: Reading) -> None:
        """Note that units have raised: the form is out."""
        if not (errors := reading["errors"]):
            return
        first = errors[0]
        at = f" at {first['where']}" if first["where"] else ""
        note = f"a unit raised {first['type']}: {first['message']}{at}"
        lane.trial(concurrency).fail("failed", note, spoils=True)
        lane.trial(concurrency).errors = list(errors)

    def compare_results(self, lane: Lane, concurrency: int, reading: Reading) -> None:
        """Note whether a form returns something else than the reference: then it is out."""
        differing = self.results.differing(reading)
        if differing and not self.results.is_confirmed:
            self._confirm_reference()
            differing = self.results.differing(reading)
        if differing:
            note = f"other results than {self.results.reference} on {differing}"
            lane.trial(concurrency).fail("differs", note, spoils=True)

    def _confirm_reference(self) -> None:
        """Run the reference again: what it does not repeat itself, nobody else need return."""
        lane = next(lane for lane in self.lanes if lane.title == self.results.reference)
        count = plan.checked_items(self.unit(lane).wall_s, self.items, self.budget.all)
        request = Request(lane.sweep.lowest, Portion(count, 1), seed=0, check_timed=True)
        if (reading := lane.measure(request, self.budget.limit())) is not None:
            self.results.confirm(reading)
