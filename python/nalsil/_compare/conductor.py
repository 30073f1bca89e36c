"""The run of a comparison, from loading the work to the report."""

from __future__ import annotations

import json

from nalsil import _nalsil
from nalsil._compare import plan
from nalsil._compare.budget import Budget
from nalsil._compare.children import GRACE, ChildEnded, Children, ChildTimedOut
from nalsil._compare.climb import Climb
from nalsil._compare.failures import printable
from nalsil._compare.field import Field
from nalsil._compare.forms import (
    FORMS,
    HAS_INTERPRETERS,
    SINCE_314,
    STOCK,
    Form,
    executor_form,
)
from nalsil._compare.lane import Lane
from nalsil._compare.options import Options
from nalsil._compare.plan import Sweep
from nalsil._compare.probe import Probe
from nalsil._compare.progress import Progress
from nalsil._compare.protocol import Message
from nalsil._compare.report import Report
from nalsil._compare.rounds import Rounds
from nalsil._compare.rows import Row
from nalsil._compare.usage import UsageError

EXECUTOR_GRACE = 5.0
"""Seconds that an executor of the user's has to shut down: it may have workers far away."""


class Conductor:
    """One comparison."""

    def __init__(self, options: Options, progress: Progress) -> None:
        self._options, self._progress = options, progress
        self._budget = Budget(options)
        self._field = Field(options, self._budget, progress)
        self._children = Children(options.target, progress.tick)
        self._effective: list[float] = []
        self._described: Message = {}
        self._interrupted = False

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
            self._progress.show("ending")
            self._end_children()
            self._progress.clear()
        if not self._described:
            raise KeyboardInterrupt
        return self._report()

    def _report(self) -> Row:
        report = Report(
            self._field, self._described, self._effective, is_interrupted=self._interrupted
        )
        return report.as_json()

    def _foreseen(self) -> tuple[str, int] | None:
        """The function and the concurrency of the threads that, as things stand, will be taken to
        predict coroutines."""
        judged = json.loads(_nalsil.judge(json.dumps(self._report(), allow_nan=False)))
        predicted = [row for row in judged["forms"] if row["status"] == "predicted" and row["band"]]
        return next(((row["function"], row["concurrency"]) for row in predicted), None)

    def _end_children(self) -> None:
        if self._interrupted:
            self._children.kill()
        else:
            self._children.end(EXECUTOR_GRACE if self._options.executors else GRACE)

    def _inspect(self) -> None:
        """Load the work once, to learn what it is and what is wrong with it."""
        shown = self._options.target_text
        self._progress.show(f"loading {shown}")
        child = self._children.start()
        try:
            request = self._load_request(check_executors=True)
            answer = child.ask(request, self._budget.start_timeout)
        except ChildTimedOut as late:
            limit = f"{self._budget.start_timeout:.3g} s"
            raise UsageError(
                f"`{shown}` was not loaded after {limit}{late.place()}; hint: what runs long "
                "belongs into the function or `setup`, or raise --timeout"
            ) from None
        except ChildEnded as ended:
            last = child.tail().strip().splitlines()
            said = f": {printable(last[-1])}" if last else ""
            raise UsageError(
                f"cannot load `{shown}`: {ended}{said}; hint: importing it must not end the process"
            ) from None
        if "refused" in answer:
            raise UsageError(answer["refused"])
        self._children.discard(child)
        self._described = answer
        self._field.items = answer["items"]

    def _load_request(self, *, check_executors: bool = False) -> Message:
        target = self._options.target
        return {
            "module": target.module,
            "path": target.path,
            "functions": target.functions,
            "items": self._options.items,
            "factories": [place for _, place in self._options.executors if check_executors],
        }

    def _measure(self) -> None:
        # Before there are children: while they start they would be taken for others.
        self._calibrate()
        self._field.lanes = self._make_lanes()
        wanted = [lane for lane in self._field.lanes if lane.left_out is None]
        for lane in wanted:
            lane.launch()
        for lane in wanted:
            self._load(lane)
        probe = Probe(self._field)
        for lane in self._field.lanes:
            probe.run(lane)
        Climb(self._field).run()
        Rounds(self._field, self._foreseen).run()
        self._calibrate()

    def _calibrate(self) -> None:
        self._progress.show("measuring how much of the processors is to be had")
        self._effective.append(_nalsil.effective_cores(self._budget.calibration))

    def _make_lanes(self) -> list[Lane]:
        forms = [form for form in FORMS.values() if self._options.stock or form.name not in STOCK]
        forms += [executor_form(name, place) for name, place in self._options.executors]
        return [
            self._make_lane(form, function["name"])
            for form in forms
            for function in self._described["functions"]
            if function["async"] == form.runs_async
        ]

    def _make_lane(self, form: Form, function: str) -> Lane:
        lane = Lane(form, function, self._children, self._load_request())
        asked = self._options.concurrency
        steps = plan.ladder(form.scale, self._field.items, self._field.cpus, asked)
        lane.sweep = Sweep(steps, may_refine=asked is None and form.scale != "one")
        if form.name == SINCE_314 and not HAS_INTERPRETERS:
            lane.left_out = "needs Python 3.14 or later"
            lane.sweep.give_up()
        return lane

    def _load(self, lane: Lane) -> None:
        self._progress.show(f"starting {lane.form.name}")
        try:
            lane.load(self._budget.start_timeout)
        except ChildTimedOut as late:
            self._give_up(
                lane, f"not started after {self._budget.start_timeout:.3g} s{late.place()}"
            )
        except ChildEnded as error:
            self._give_up(lane, f"it could not be started: {error}")

    def _give_up(self, lane: Lane, note: str) -> None:
        lane.trial(lane.sweep.next() or 1).fail("failed", note, spoils=True)
        lane.sweep.give_up()
