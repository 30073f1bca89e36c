"""One form of one function: its child process, and what it gave at each concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nalsil._compare.children import Child, ChildEnded, Children, ChildTimedOut
from nalsil._compare.failures import printable
from nalsil._compare.forms import Form
from nalsil._compare.plan import Portion, Sweep
from nalsil._compare.protocol import Message
from nalsil._compare.reading import Reading
from nalsil._compare.rows import (
    Row,
    all_errors,
    empty_row,
    numbers,
    seconds_per_unit,
    tell_growth,
)


@dataclass
class Trial:
    """A form at one concurrency.

    Attributes:
        spoils: whether what went wrong is in the work, so that the form is not to be trusted at
            any concurrency.
        swept: readings of the sweep.
        rounds: readings of the rounds, which count alone if there are any.
    """

    status: str = "ok"
    note: str | None = None
    spoils: bool = False
    errors: list[Row] = field(default_factory=list)
    swept: list[Reading] = field(default_factory=list)
    rounds: list[Reading] = field(default_factory=list)

    @property
    def is_late(self) -> bool:
        """Whether it did not end in the user's time."""
        return self.status == "timed out"

    @property
    def readings(self) -> list[Reading]:
        """Those that count."""
        return self.rounds or self.swept

    @property
    def seconds_per_unit(self) -> float | None:
        """The median, None if nothing was measured."""
        if not self.readings:
            return None
        times = sorted(map(seconds_per_unit, self.readings))
        return (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2

    def fail(
        self, status: str, note: str, error: Row | None = None, *, spoils: bool = False
    ) -> None:
        """Note what went wrong; the first failure is the one that is told."""
        if self.status != "ok":
            return
        self.status, self.note, self.spoils = status, printable(note), spoils
        if error is not None:
            self.errors.append({**error, "count": 1})


class Limit(NamedTuple):
    """Seconds after which a measurement is ended, and whether the user's timeout set them."""

    seconds: float
    is_timeout: bool


@dataclass(frozen=True)
class Request:
    """One measurement that the conductor wants."""

    concurrency: int
    portion: Portion
    seed: int
    check: int = 0
    warm: int = 0
    check_timed: bool = False


class Lane:
    """A form of a function, with the child that runs it."""

    def __init__(self, form: Form, function: str, children: Children, load: Message) -> None:
        self.form, self.function = form, function
        self._children, self._load = children, load
        self._child: Child | None = None
        self._is_loaded = False
        self.trials: dict[int, Trial] = {}
        self.sweep = Sweep([1], may_refine=False)
        self.left_out: str | None = None

    @property
    def title(self) -> str:
        """How a person tells it from the others."""
        return f"{self.form.name} `{self.function}`"

    @property
    def start_s(self) -> float:
        """Seconds that a measurement takes to start, at most; an executor is started but once."""
        readings = [reading for trial in self.trials.values() for reading in trial.readings]
        if self.form.scale == "executor" or not readings:
            return 0.0
        return max(reading["start_s"] for reading in readings)

    def trial(self, concurrency: int) -> Trial:
        """Return what there is at a concurrency."""
        return self.trials.setdefault(concurrency, Trial())

    def launch(self) -> None:
        """Start the child, without waiting until it is there."""
        if self._child is None:
            self._child = self._children.start()
            self._is_loaded = False

    def load(self, limit: float) -> None:
        """Wait until the child has loaded the work."""
        self.launch()
        if not self._is_loaded:
            self._ask(self._load, limit)
            self._is_loaded = True

    def measure(self, request: Request, limit: Limit) -> Reading | None:
        """Run one measurement; None if it failed, which the trial then tells.

        Args:
            limit: seconds after which the child and all that it has started are killed.
        """
        trial = self.trial(request.concurrency)
        try:
            self.load(limit.seconds)
            answer = self._ask(self._message(request), limit.seconds)
        except ChildTimedOut as late:
            self._note_late(trial, late, limit)
            return None
        except ChildEnded as ended:
            error = _error("ChildEnded", str(ended), self._where)
            trial.fail("failed", str(ended), error, spoils=True)
            return None
        if "reading" not in answer:
            error = _error(*answer["error"])
            trial.fail("failed", answer["failed"], error, spoils=answer["spoils"])
            return None
        reading: Reading = answer["reading"]
        reading["digests"] = {int(key): value for key, value in reading["digests"].items()}
        return reading

    def _note_late(self, trial: Trial, late: ChildTimedOut, limit: Limit) -> None:
        """Note that a measurement was ended; one that only the budget ended proves nothing."""
        note = f"no end after {limit.seconds:.3g} s{late.place()}"
        if limit.is_timeout:
            trial.fail("timed out", note, _error("TimeoutError", note, late.where))
        elif not trial.readings:
            trial.fail("skipped", f"the budget ended: {note}; hint: raise --budget")

    def _message(self, request: Request) -> Message:
        return {
            "form": self.form,
            "function": self.function,
            "concurrency": request.concurrency,
            "check": request.check,
            "warm": request.warm,
            "count": request.portion.taken,
            "passes": request.portion.passes,
            "seed": request.seed,
            "check_timed": request.check_timed,
        }

    def _ask(self, message: Message, limit: float) -> Message:
        assert self._child is not None
        try:
            return self._child.ask(message, limit)
        except (ChildEnded, ChildTimedOut):
            self._where = self._child.where_it_ended()
            self._children.discard(self._child)
            self._child = None
            raise

    @property
    def _spoiler(self) -> tuple[int, Trial] | None:
        """What makes the form useless at every concurrency, and where it showed."""
        return next(((step, t) for step, t in self.trials.items() if t.spoils), None)

    def times(self) -> dict[int, float]:
        """Return the seconds per unit by concurrency, of the trials that went well."""
        found: dict[int, float] = {}
        if self._spoiler is not None:
            return found
        for concurrency, trial in self.trials.items():
            seconds = trial.seconds_per_unit
            if trial.status == "ok" and seconds is not None:
                found[concurrency] = seconds
        return found

    def rows(self, items: int) -> list[Row]:
        """Return the rows of the report, one for each concurrency."""
        if not self.trials:
            row = empty_row(self.form.name, self.function, None)
            return [{**row, "note": self.left_out or "the budget ended before its turn"}]
        rows = [self._row(step, items) for step in sorted(self.trials)]
        if self.form.scale != "cores":
            tell_growth(rows)
        return rows

    def _row(self, concurrency: int, items: int) -> Row:
        trial = self.trials[concurrency]
        row = empty_row(self.form.name, self.function, concurrency)
        readings = [reading for reading in trial.readings if reading["units"]]
        status, note = self._standing(concurrency, trial)
        if status == "ok" and not readings:
            status, note = "skipped", "the budget ended before its turn"
        if readings and status in ("ok", "differs"):
            row |= numbers(readings, items, concurrency)
        errors = trial.errors or all_errors(trial.swept + trial.rounds)
        return {**row, "errors": errors, "status": status, "note": note}

    def _standing(self, concurrency: int, trial: Trial) -> tuple[str, str | None]:
        """The status and the note of a trial, in the light of the others."""
        if trial.status == "ok" and self._spoiler is not None:
            where, spoiler = self._spoiler
            return spoiler.status, f"at {where}: {spoiler.note}"
        return trial.status, trial.note


def _error(kind: str, message: str, where: str | None) -> Row:
    return {"type": kind, "message": message, "where": where}


def mark_best(rows: Sequence[dict[str, Any]], chosen: set[tuple[str, str, int]]) -> None:
    """Mark the rows of the concurrencies that were chosen."""
    for row in rows:
        row["best"] = (row["form"], row["function"], row["concurrency"]) in chosen
