"""The run of a comparison: probe, sweep, rounds, and the report of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nalsil import _nalsil
from nalsil._compare import machine, plan
from nalsil._compare.children import GRACE, ChildEnded, Children, ChildTimedOut
from nalsil._compare.forms import (
    FORMS,
    HAS_INTERPRETERS,
    SINCE_314,
    STOCK,
    Form,
    executor_form,
)
from nalsil._compare.lane import Lane, Limit, Request, mark_best
from nalsil._compare.plan import Portion, Standing, Sweep, Unit
from nalsil._compare.progress import Progress
from nalsil._compare.protocol import Message
from nalsil._compare.reading import Reading
from nalsil._compare.results import Results
from nalsil._compare.rows import Row, interval_of_median, sampler_cost, seconds_per_unit
from nalsil._compare.target import Target
from nalsil._compare.usage import UsageError

RATE = 250.0
"""Looks of the sampler per second."""

SWEEP_UNTIL = 0.6
"""The part of the budget after which no more concurrencies are tried."""

OVERRUN = 0.05
"""The part of the budget by which a measurement may run over its end."""

SLOW_START = 10.0
"""Seconds that loading the work may take at least, however small the budget."""

FIRST_SHARE = 0.1
"""The part of the budget that the first measurement of a form may take when it is spent."""

EXECUTOR_GRACE = 5.0
"""Seconds that an executor of the user's has to shut down: it may have workers far away."""

FEWEST_ROUNDS = 3
"""Rounds of a form that has no hope: as many as tell a spread."""

MOST_ROUNDS = 50
"""More rounds than these are not run, however much of the budget is left."""


@dataclass(frozen=True)
class Options:
    """What the command line asks for; seconds, and None where the default is to be found."""

    target_text: str
    target: Target
    items: int | str
    items_source: str
    concurrency: tuple[int, ...] | None
    rounds: int
    budget: float
    timeout: float | None
    executors: tuple[tuple[str, str], ...]
    stock: bool


class Conductor:
    """One comparison."""

    def __init__(self, options: Options, progress: Progress) -> None:
        self.options, self.progress = options, progress
        self._began = time.monotonic()
        self._cpus = machine.cpus()
        self._children = Children(options.target, progress.tick)
        self._lanes: list[Lane] = []
        self._units: dict[str, Unit] = {}
        self._results = Results()
        self._warnings: list[str] = []
        self._effective: list[float] = []
        self._described: Message = {}
        self._interrupted = False
        self._rounds = 0
        self._hung = 0.0

    # Time

    def _spent(self) -> float:
        return time.monotonic() - self._began

    def _left(self) -> float:
        """Seconds until the budget ends, less what the end itself takes."""
        return self.options.budget + self._hung - self._spent() - 2 * self._calibration()

    def _calibration(self) -> float:
        return min(0.3, self.options.budget / 50)

    def _timeout(self) -> float:
        return self.options.timeout or self.options.budget / 2

    def _start_timeout(self) -> float:
        return self.options.timeout or max(SLOW_START, self.options.budget / 2)

    def _limit(self, *, is_first: bool = False) -> Limit:
        """How long one measurement may take.

        The first of a form has as long as the user allows, so that its row can say whether the
        work hangs; all others end with the budget.
        """
        left = max(0.5, self._left() + OVERRUN * self.options.budget)
        timeout = self._timeout()
        if timeout <= left or (is_first and self.options.timeout is not None):
            return Limit(timeout, True)
        return Limit(left, False)

    # The run

    def run(self) -> Row:
        """Compare, and return the report without its verdict.

        Raises:
            UsageError: if the work cannot be loaded.
        """
        try:
            self._inspect()
            self._measure()
        except KeyboardInterrupt:
            self._interrupted = True
        finally:
            self.progress.show("ending")
            self._end_children()
            self.progress.clear()
        if not self._described:
            raise KeyboardInterrupt
        return self._report()

    def _end_children(self) -> None:
        if self._interrupted:
            self._children.kill()
        else:
            self._children.end(EXECUTOR_GRACE if self.options.executors else GRACE)

    def _inspect(self) -> None:
        """Load the work once, to learn what it is and what is wrong with it."""
        self.progress.show(f"loading {self.options.target_text}")
        child = self._children.start()
        try:
            request = self._load_request(check_executors=True)
            answer = child.ask(request, self._start_timeout())
        except ChildTimedOut as late:
            raise UsageError(
                f"`{self.options.target_text}` was not loaded after {self._start_timeout():.3g} s"
                f"{late.place()}; "
                "hint: what runs long belongs into the function or `setup`, or raise --timeout"
            ) from None
        except ChildEnded as ended:
            last = child.tail().strip().splitlines()
            said = f": {last[-1]}" if last else ""
            raise UsageError(
                f"cannot load `{self.options.target_text}`: {ended}{said}; hint: importing it must "
                "not end the process"
            ) from None
        if "refused" in answer:
            raise UsageError(answer["refused"])
        self._children.discard(child)
        self._described = answer

    def _load_request(self, *, check_executors: bool = False) -> Message:
        target = self.options.target
        return {
            "module": target.module,
            "path": target.path,
            "functions": target.functions,
            "items": self.options.items,
            "factories": [place for _, place in self.options.executors if check_executors],
        }

    def _measure(self) -> None:
        self._lanes = self._make_lanes()
        wanted = [lane for lane in self._lanes if lane.left_out is None]
        for lane in wanted:
            lane.launch()
        self._calibrate()
        for lane in wanted:
            self._load(lane)
        for lane in self._lanes:
            self._probe(lane)
        self._sweep()
        self._run_rounds()
        self._calibrate()

    def _calibrate(self) -> None:
        self.progress.show("measuring how much of the processors is to be had")
        self._effective.append(_nalsil.effective_cores(self._calibration()))

    @property
    def _items(self) -> int:
        count: int = self._described["items"]
        return count

    def _make_lanes(self) -> list[Lane]:
        forms = [form for form in FORMS.values() if self.options.stock or form.name not in STOCK]
        forms += [executor_form(name, place) for name, place in self.options.executors]
        return [
            self._make_lane(form, function["name"])
            for form in forms
            for function in self._described["functions"]
            if function["async"] == form.runs_async
        ]

    def _make_lane(self, form: Form, function: str) -> Lane:
        lane = Lane(form, function, self._children, self._load_request())
        asked = self.options.concurrency
        steps = plan.ladder(form.scale, self._items, self._cpus, asked)
        lane.sweep = Sweep(steps, may_refine=asked is None and form.scale != "one")
        if form.name == SINCE_314 and not HAS_INTERPRETERS:
            lane.left_out = "needs Python 3.14 or later"
            lane.sweep.give_up()
        return lane

    def _load(self, lane: Lane) -> None:
        self.progress.show(f"starting {lane.form.name}")
        try:
            lane.load(self._start_timeout())
        except ChildTimedOut as late:
            self._give_up(lane, f"not started after {self._start_timeout():.3g} s{late.place()}")
        except ChildEnded as error:
            self._give_up(lane, f"it could not be started: {error}")

    def _give_up(self, lane: Lane, note: str) -> None:
        lane.trial(lane.sweep.next() or 1).fail("failed", note, spoils=True)
        lane.sweep.give_up()

    # The first look at each function

    def _probe(self, lane: Lane) -> None:
        """Learn how long a unit takes, and what it returns, from the first form that runs it."""
        concurrency = lane.sweep.lowest
        done = lane.sweep.next() is None or lane.function in self._units
        if done or lane.form.scale == "executor":
            return
        count, last = 1, 0
        while count > last * plan.MORE_CHECKED and self._may_try():
            request = Request(concurrency, Portion(count, 1), seed=0, check_timed=True)
            self.progress.show(f"first look at {lane.title}")
            reading = self._measure_first(lane, request)
            if reading is None or not reading["units"]:
                break
            self._take_probe(lane, concurrency, reading)
            unit = self._units[lane.function]
            last = count
            if not self._is_long(unit):
                count = plan.checked_items(unit.wall_s, self._items, self.options.budget)
        trial = lane.trial(concurrency)
        if trial.status != "ok" or not trial.swept:
            lane.sweep.give_up()
        elif concurrency == 1 or self._is_long(self._unit(lane)):
            lane.sweep.record(concurrency, 1 / seconds_per_unit(trial.swept[0]))
        else:
            # So few units say how long one takes, but not how many side by side do.
            trial.swept.clear()

    def _measure_first(self, lane: Lane, request: Request) -> Reading | None:
        """Run the first measurement of a form.

        If it hangs until the user's own timeout, that is no time that the other forms have less.
        """
        began = self._spent()
        reading = lane.measure(request, self._limit(is_first=True))
        if self.options.timeout is not None and lane.trial(request.concurrency).is_late:
            self._hung += self._spent() - began
        return reading

    def _may_try(self) -> bool:
        """Whether a form that was not tried yet may be."""
        return self._left() > 0 or self.options.timeout is not None

    def _take_probe(self, lane: Lane, concurrency: int, reading: Reading) -> None:
        wall, cpu = seconds_per_unit(reading), reading["cpu_s"] / reading["units"]
        if (latencies := reading["check_latencies"]) and len(latencies) > 2:
            wall = latencies[len(latencies) // 2] / 1e9
        self._units[lane.function] = Unit(wall, cpu)
        self._note_errors(lane, concurrency, reading)
        if self._results.reference in (None, lane.title):
            self._results.take_reference(lane.title, reading)
        else:
            self._compare_results(lane, concurrency, reading)
        lane.trial(concurrency).swept[:] = [reading]

    def _is_long(self, unit: Unit) -> bool:
        return unit.wall_s * plan.LONG > self.options.budget

    def _unit(self, lane: Lane) -> Unit:
        """What is known of a unit; if nothing is, one that asks for careful steps."""
        known = self._units.get(lane.function)
        return known or Unit(self.options.budget / plan.LONG, 0.0)

    # Results and errors

    def _compare_results(self, lane: Lane, concurrency: int, reading: Reading) -> None:
        differing = self._results.differing(reading)
        if differing and not self._results.is_confirmed:
            self._confirm_reference()
            differing = self._results.differing(reading)
        if differing:
            note = f"other results than {self._results.reference} on {differing}"
            lane.trial(concurrency).fail("differs", note, spoils=True)

    def _confirm_reference(self) -> None:
        """Run the reference again: what it does not repeat itself, nobody else need return."""
        lane = next(lane for lane in self._lanes if lane.title == self._results.reference)
        count = plan.checked_items(self._unit(lane).wall_s, self._items, self.options.budget)
        request = Request(1, Portion(count, 1), seed=0, check_timed=True)
        if (reading := lane.measure(request, self._limit())) is not None:
            self._results.confirm(reading)

    def _note_errors(self, lane: Lane, concurrency: int, reading: Reading) -> None:
        if not (errors := reading["errors"]):
            return
        first = errors[0]
        at = f" at {first['where']}" if first["where"] else ""
        note = f"a unit raised {first['type']}: {first['message']}{at}"
        lane.trial(concurrency).fail("failed", note, spoils=True)
        lane.trial(concurrency).errors = list(errors)

    # The sweep

    def _sweep(self) -> None:
        """Try each form at one more concurrency, in turn, until all know their best."""
        going = True
        while going:
            going = False
            for lane in self._lanes:
                concurrency = lane.sweep.next()
                if concurrency is not None:
                    going = True
                    self._try(lane, concurrency)

    def _try(self, lane: Lane, concurrency: int) -> None:
        unit = self._unit(lane)
        portion = self._portion(lane, concurrency, self._sweep_seconds())
        if not self._fits(lane, concurrency, portion):
            lane.sweep.skip(concurrency)
            if self.options.concurrency is not None:
                lane.trial(concurrency).fail("skipped", "it did not fit into the budget")
            return
        self.progress.show(f"trying {lane.form.name} at {concurrency}")
        request = self._first_request(unit, concurrency, portion)
        if lane.trials:
            reading = lane.measure(request, self._limit())
        else:
            reading = self._measure_first(lane, request)
        if reading is None or not reading["units"]:
            if reading is not None:
                self._note_errors(lane, concurrency, reading)
            lane.sweep.give_up()
            return
        self._note_errors(lane, concurrency, reading)
        self._compare_results(lane, concurrency, reading)
        lane.trial(concurrency).swept.append(reading)
        lane.sweep.record(concurrency, 1 / seconds_per_unit(reading))
        if lane.trial(concurrency).spoils:
            lane.sweep.give_up()

    def _fits(self, lane: Lane, concurrency: int, portion: Portion) -> bool:
        """Whether a step of the sweep fits into its part of the budget; a first one, at all."""
        expected = self._expected(lane, concurrency, portion)
        if self._spent() - self._hung + expected <= self.options.budget * SWEEP_UNTIL:
            return True
        if lane.trials or lane.left_out:
            return False
        if lane.function not in self._units:
            return self._may_try()
        if expected <= max(self._left(), FIRST_SHARE * self.options.budget):
            return True
        lane.left_out = (
            f"it does not fit into the budget: a unit takes {self._unit(lane).wall_s:.3g} s; "
            "hint: raise --budget"
        )
        return False

    def _first_request(self, unit: Unit, concurrency: int, portion: Portion) -> Request:
        if self._is_long(unit):
            return Request(concurrency, portion, seed=0, check_timed=True)
        count = plan.checked_items(unit.wall_s, self._items, self.options.budget)
        return Request(
            concurrency, portion, seed=0, check=count, warm=min(concurrency, portion.taken)
        )

    def _sweep_seconds(self) -> float:
        """Seconds for one step of the sweep, if all forms take about as many."""
        steps = 6 * max(1, len(self._lanes))
        return min(0.25, max(0.03, 0.3 * self.options.budget / steps))

    def _portion(self, lane: Lane, concurrency: int, seconds: float) -> Portion:
        unit = self._unit(lane)
        known = lane.times()
        if concurrency in known:
            rate = 1 / known[concurrency]
        elif known:
            nearest = min(known, key=lambda step: abs(step - concurrency))
            rate = 1 / known[nearest]
        else:
            rate = unit.rate(concurrency, self._cpus)
        waves = 1 if self._is_long(unit) else 2
        return plan.portion(rate, concurrency, self._items, seconds, waves)

    def _expected(self, lane: Lane, concurrency: int, portion: Portion) -> float:
        """Seconds that a first measurement is likely to take, checks and warm-up included."""
        unit = self._unit(lane)
        units = portion.units
        if not self._is_long(unit):
            units += min(concurrency, portion.taken)
            units += plan.checked_items(unit.wall_s, self._items, self.options.budget)
        return unit.seconds(units, concurrency, self._cpus)

    # The rounds

    def _run_rounds(self) -> None:
        """Measure those who may win again and again, until it is clear or the time is over."""
        runners: list[tuple[Lane, int]] = []
        least = self.options.rounds
        for number in range(max(MOST_ROUNDS, least)):
            # Who was lucky in the sweep has to show it again, so that only rounds decide.
            runners += [runner for runner in self._contenders() if runner not in runners]
            missing = max(1, least - number)
            seconds = plan.round_seconds(self._left(), missing, max(1, len(runners)))
            if self._left() <= 0 or (number >= least and self._is_clear(runners)):
                break
            for index in plan.order_of_round(len(runners), number):
                self._run_one(*runners[index], number, seconds)
            self._rounds = number + 1

    def _contenders(self) -> list[tuple[Lane, int]]:
        standings = [Standing(lane.title, lane.times()) for lane in self._lanes]
        return [(self._lanes[index], step) for index, step in plan.contenders(standings)]

    def _run_one(self, lane: Lane, concurrency: int, number: int, seconds: float) -> None:
        trial = lane.trial(concurrency)
        if trial.status != "ok":
            return
        best = min(self._times().values(), default=0.0)
        own = trial.seconds_per_unit or 0.0
        if len(trial.rounds) >= FEWEST_ROUNDS and plan.is_hopeless(own, best):
            return
        portion = self._portion(lane, concurrency, seconds)
        warm = 0 if self._is_long(self._unit(lane)) else min(concurrency, portion.taken)
        if (portion.units + warm) * own > self._left():
            return
        self.progress.show(f"round {number + 1}: {lane.form.name} at {concurrency}")
        request = Request(concurrency, portion, seed=number + 1, warm=warm)
        reading = lane.measure(request, self._limit())
        if reading is not None and reading["units"]:
            trial.rounds.append(reading)
            self._note_errors(lane, concurrency, reading)

    def _times(self) -> dict[tuple[str, int], float]:
        return {
            (lane.title, step): seconds
            for lane in self._lanes
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

    # The report

    def _report(self) -> Row:
        rows = [row for lane in self._lanes for row in lane.rows(self._items)]
        mark_best(rows, self._chosen())
        functions = self._described["functions"]
        return {
            "schema": 1,
            "work": {
                "target": self.options.target_text,
                "functions": [{"name": f["name"], "async": f["async"]} for f in functions],
                "items": self._items,
                "items_source": self.options.items_source,
                "takes_item": any(f["takes_item"] for f in functions),
                "rounds": self._rounds,
                "budget_s": self.options.budget,
                "took_s": self._spent(),
                "interrupted": self._interrupted,
                "warnings": self._warnings + self._results.warnings(),
            },
            "machine": self._machine(),
            "python": machine.describe_python(),
            "sampler": self._sampler(),
            "forms": rows,
        }

    def _chosen(self) -> set[tuple[str, str, int]]:
        """The concurrency of each form that goes into the verdict."""
        found = set()
        for lane in self._lanes:
            times = lane.times()
            counted = {s: t for s, t in times.items() if len(lane.trials[s].rounds) > 1} or times
            if (step := plan.knee({s: 1 / t for s, t in counted.items()})) is not None:
                found.add((lane.form.name, lane.function, step))
        return found

    def _machine(self) -> Row:
        known = self._effective or [float(self._cpus)]
        return {
            **machine.describe_machine(),
            "effective_cores": sum(known) / len(known),
            "effective_cores_low": min(known),
        }

    def _sampler(self) -> dict[str, Any]:
        readings = [
            reading
            for lane in self._lanes
            for trial in lane.trials.values()
            for reading in trial.swept + trial.rounds
        ]
        unknown = sorted({key for reading in readings for key in reading["unknown"]})
        return {"rate_hz": RATE, "cost_share": sampler_cost(readings), "unknown": unknown}
