"""Runs one module and judges what became of each test."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections import Counter
from collections.abc import Callable, Iterable

from .made import STOCK
from .supervise import Module, Outcome, Progress, Target
from .tables import Entry, Scope, first_match, stale

PASSED = "passed"
SKIPPED = "skipped"
EXCEPTED = "excepted"
FAILED = "failed"
HANG = "hang"
CRASH = "crash"
ENVIRONMENT = "fails on stock"
UNEXPECTED_PASS = "unexpected pass"
SKIPS_HERE_ONLY = "skips here only"
STOCK_LOOP = "made a stock loop"
STOCK_POOL = "made a stock pool"
SLOW = "slow"

BAD = (FAILED, HANG, CRASH, UNEXPECTED_PASS, SKIPS_HERE_ONLY, STOCK_LOOP, STOCK_POOL, SLOW)

SLOW_SECONDS = 5.0
"""How much longer than twice its time on stock a test may take.

A wait that no one ends may have a timeout, and then the test passes all the same.
"""


@dataclasses.dataclass
class Judged:
    """The verdict on one test, with the outcome it rests on."""

    outcome: Outcome
    verdict: str
    note: str = ""

    @property
    def bad(self) -> bool:
        return self.verdict in BAD


@dataclasses.dataclass
class Report:
    """What came of one module."""

    suite: str
    module: str
    loop: str
    judged: list[Judged] = dataclasses.field(default_factory=list)
    stale: list[Entry] = dataclasses.field(default_factory=list)
    skipped: str | None = None
    outside: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.stale and not any(one.bad for one in self.judged)

    def counts(self) -> Counter[str]:
        return Counter(one.verdict for one in self.judged)

    def on(self, kind: str) -> int:
        """How many tests made a thing of the chosen kind: `loops` or `pools`."""
        counted = f"stock_{kind}" if self.loop == STOCK else kind
        return sum(bool(getattr(one.outcome, counted)) for one in self.judged)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run is asked for. `seconds` is the time after which a test counts as hanging."""

    loop: str = "nalsil"
    pattern: str = ""
    everything: bool = False
    seconds: float = 30.0

    @property
    def strict(self) -> bool:
        """Whether the list of exceptions counts: it is about nalsil's loop alone."""
        return self.loop == "nalsil"

    def wants(self, test: str) -> bool:
        pattern = self.pattern if "*" in self.pattern else f"*{self.pattern}*"
        return fnmatch.fnmatchcase(test, pattern)


def run_module(
    target: Target,
    settings: Settings,
    scope: Scope,
    exceptions: Iterable[Entry],
    *,
    progress: Progress = lambda outcome: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Report:
    """Run a module, run again on the stock loop what did not pass, and judge."""

    def module_on(loop: str) -> Module:
        return Module(target, loop, seconds=settings.seconds, stopping=stopping)

    report = Report(target.suite, target.module, settings.loop)
    plan = module_on(settings.loop).list_tests()
    if plan.skipped is not None:
        report.skipped = plan.skipped
        return report
    strict = list(exceptions) if settings.strict else []
    report.stale = stale((*strict, *scope.inside, *scope.outside), target.module, plan.tests)
    inside = [test for test in plan.tests if settings.everything or scope.covers(test)]
    report.outside = len(plan.tests) - len(inside)
    chosen = module_on(settings.loop)
    chosen.progress = progress
    outcomes = chosen.run([test for test in inside if settings.wants(test)])
    stock: dict[str, Outcome] = {}
    if settings.loop != STOCK:
        again = [one.test for one in outcomes if is_in_doubt(one)]
        stock = {one.test: one for one in module_on(STOCK).run(again)}
    report.judged = [judge(one, stock.get(one.test), strict, settings.loop) for one in outcomes]
    report.seconds = sum(one.seconds for one in outcomes)
    return report


def is_in_doubt(outcome: Outcome) -> bool:
    """Whether it has to be seen what the stock loop makes of the test."""
    if outcome.outcome == PASSED:
        return outcome.seconds > SLOW_SECONDS
    return not outcome.static


def judge(
    outcome: Outcome, stock: Outcome | None, exceptions: Iterable[Entry], loop: str
) -> Judged:
    """The verdict, given the outcome of the same test on the stock loop if it was run there."""
    entry = first_match(exceptions, outcome.test)
    if outcome.outcome == PASSED:
        if entry is not None:
            return Judged(outcome, UNEXPECTED_PASS, f"hint: take `{entry.test}` out of the list")
        if loop != STOCK and outcome.stock_loops:
            return Judged(outcome, STOCK_LOOP, "hint: `stand_in.py` left a way to the stock loop")
        if loop == "nalsil" and outcome.stock_pools:
            return Judged(outcome, STOCK_POOL, "hint: nalsil's loop or the tests found a way to it")
        if stock is not None and outcome.seconds > SLOW_SECONDS + 2 * stock.seconds:
            note = f"took {outcome.seconds:.1f} s, on stock {stock.seconds:.1f} s"
            return Judged(outcome, SLOW, note)
        return Judged(outcome, PASSED)
    if outcome.outcome == SKIPPED and (stock is None or stock.outcome == SKIPPED):
        return Judged(outcome, SKIPPED, outcome.detail)
    if stock is not None and stock.outcome not in (PASSED, SKIPPED):
        return Judged(outcome, ENVIRONMENT, last_line(stock.detail))
    if entry is not None:
        return Judged(outcome, EXCEPTED, entry.reason)
    if outcome.outcome == SKIPPED:
        return Judged(outcome, SKIPS_HERE_ONLY, outcome.detail)
    return Judged(outcome, outcome.outcome, last_line(outcome.detail))


def last_line(text: str) -> str:
    """The line of a traceback that names the exception; the first of anything else."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    if not any(line.startswith("Traceback") for line in lines[:2]):
        return lines[0]
    return next((line for line in reversed(lines) if not line.startswith(" ")), lines[-1])
