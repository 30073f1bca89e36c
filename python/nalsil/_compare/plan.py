"""What to measure next, and how much of it: pure decisions, without processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LADDER = (1, 4, 16, 64, 256, 1024)
"""Concurrencies of the first, coarse sweep."""

MOST_AT_FIRST = 64
"""Where the sweep of long units begins at most: what is behind them may not bear more."""

MOST_PROCESSES = 64
"""The largest concurrency that is tried with processes and interpreters."""

MORE_CHECKED = 1.5
"""Another first look is worth it if it takes so many times as many items as the one before."""

GAIN = 1.05
"""A step must gain this much to count, and what is within it of the best is as good."""

NEAR_FORM = 2.0
"""Forms whose time is within this factor of the best one's are measured at more concurrencies."""

NEAR_BEST = 1.2
"""Concurrencies whose time is within this factor of their form's best take part in all rounds."""

HOPELESS = 5.0
"""A form that takes this many times as long as the best gets fewer rounds."""

LONG = 25
"""A unit is long if the budget holds fewer than this many of them."""

MOST_UNITS = 100_000
"""Units of a round that takes its items again and again; more tell nothing more."""

STRETCH = 2
"""How many times as long as planned a round may last if it then takes all items."""

CHECK_SHARE = 0.03
"""The part of the budget that running the reference on some items may take."""

MOST_CHECKED = 100
"""How many items' results are compared at most."""

SHORTEST_ROUND = 0.05
"""Seconds that a round should last at least, for the clock and the sampler."""

LONGEST_ROUND = 0.5
"""Seconds after which a longer round tells no more than another one would."""


DISPATCH = {"one": 0.0, "tasks": 1e-5, "cores": 1e-4, "executor": 2e-3}
"""Seconds that handing over a unit may cost, by scale of the form: a guess until it is measured."""


def ladder(scale: str, items: int, cpus: int, asked: Sequence[int] | None) -> list[int]:
    """Return the concurrencies that a form is tried at, ascending.

    Args:
        scale: what its concurrency counts, see `Form`.
        items: more than these cannot be in flight.
        cpus: how many processors there are.
        asked: those that the user wants.
    """
    if scale == "one":
        return [1]
    if asked is not None:
        most = MOST_PROCESSES if scale == "cores" else max(asked)
        steps = [step for step in asked if step <= most] or [cpus]
    elif scale == "cores":
        # Beyond twice the processors only units gain that wait and hold the GIL meanwhile.
        steps = [1, max(1, cpus // 2), *(cpus * factor for factor in (1, 2, 4, 8, 16))]
        steps = [min(step, MOST_PROCESSES) for step in steps]
    else:
        steps = list(LADDER)
    return sorted({min(step, items) for step in steps})


class Sweep:
    """The search for the concurrency at which a form's throughput stops growing."""

    def __init__(self, steps: Sequence[int], *, may_refine: bool) -> None:
        # The lowest tells least: what one at a time takes is known from plain code.
        self._ahead = [*steps[1:], steps[0]]
        self._lowest, self._highest = steps[0], steps[-1]
        self._may_refine = may_refine
        self._refined = False
        self._flat = 0
        self.measured: dict[int, float] = {}

    @property
    def lowest(self) -> int:
        """The smallest concurrency of all."""
        return self._lowest

    @property
    def best(self) -> int | None:
        """The smallest concurrency that is as good as the best."""
        return knee(self.measured)

    def next(self) -> int | None:
        """Return the next concurrency to try; None when the sweep is over."""
        if not self._ahead and self._may_refine and not self._refined:
            self._refined = True
            self._ahead = self._around_the_knee()
        return self._ahead[0] if self._ahead else None

    def record(self, concurrency: int, throughput: float) -> None:
        """Take in what a concurrency gave, in units per second."""
        self._ahead.remove(concurrency)
        before = max(self.measured.values(), default=0.0)
        self.measured[concurrency] = throughput
        self._flat = 0 if throughput > before * GAIN else self._flat + 1
        if self._flat >= 2 and self._may_refine and not self._refined:
            self._ahead.clear()

    def start_at(self, concurrency: int) -> None:
        """Begin in the middle, go up from there, and then down, for steps that take long."""
        up = [step for step in self._ahead if step >= concurrency]
        down = [step for step in self._ahead if self._lowest < step < concurrency]
        self._ahead = [*sorted(up), *sorted(down, reverse=True)]

    def give_up(self) -> None:
        """End the sweep: what failed at this concurrency would at the others."""
        self._ahead.clear()
        self._refined = True

    def skip(self, concurrency: int) -> None:
        """Leave a concurrency out."""
        self._ahead.remove(concurrency)

    def _around_the_knee(self) -> list[int]:
        if self.best is None:
            return []
        peak = max(self.measured, key=self.measured.__getitem__)
        around = {self.best // 2, self.best * 2, peak // 2, peak * 2, self._lowest}
        return sorted(
            (step for step in around - self.measured.keys() if self._in_range(step)),
            reverse=True,
        )

    def _in_range(self, step: int) -> bool:
        return self._lowest <= step < self._highest


def knee(throughputs: dict[int, float]) -> int | None:
    """Return the smallest concurrency whose throughput is within 5 % of the best."""
    if not throughputs:
        return None
    enough = max(throughputs.values()) / GAIN
    return min(step for step, throughput in throughputs.items() if throughput >= enough)


@dataclass
class Unit:
    """What one unit of a function takes: wall and CPU time, in seconds."""

    wall_s: float
    cpu_s: float

    def rate(self, concurrency: int, cpus: int) -> float:
        """Return the units per second to hope for with so many in flight."""
        waiting = concurrency / max(self.wall_s, 1e-9)
        computing = cpus / max(self.cpu_s, 1e-9)
        return min(waiting, computing)

    def seconds(self, count: int, concurrency: int, cpus: int) -> float:
        """Return the seconds that so many units are likely to take."""
        waves = math.ceil(count / concurrency) * self.wall_s
        return max(waves, count * self.cpu_s / cpus)


class Portion(NamedTuple):
    """How many units a round runs: `passes` times as many as are `taken` of the items."""

    taken: int
    passes: int

    @property
    def units(self) -> int:
        """All of them."""
        return self.taken * self.passes


def portion(rate: float, concurrency: int, items: int, seconds: float, waves: int = 2) -> Portion:
    """Return what fits into a round.

    All items, and again if they are done before the round is over; or a part of them, of which
    each of those in flight gets `waves`, so that not only the start and the end are seen.
    """
    fit = int(rate * seconds)
    if fit * STRETCH >= items:
        return Portion(items, max(1, min(fit, MOST_UNITS) // items))
    return Portion(max(1, min(items, max(fit, waves * concurrency))), 1)


def checked_items(unit_s: float, items: int, budget: float) -> int:
    """Return on how many items results are compared between forms."""
    affordable = int(CHECK_SHARE * budget / max(unit_s, 1e-9))
    return max(1, min(items, MOST_CHECKED, affordable))


def first_of_long(unit: Unit, steps: Sequence[int], cpus: int) -> int:
    """Return where to begin with units that take long.

    As many in flight as are likely to take hardly longer than one, for there is no time to climb.
    """
    fit = [step for step in steps if unit.seconds(step, step, cpus) <= unit.wall_s * NEAR_BEST]
    return max((step for step in fit if step <= MOST_AT_FIRST), default=steps[0])


@dataclass
class Standing:
    """How a form does at its concurrencies: seconds for all items, by concurrency."""

    form: str
    times: dict[int, float] = field(default_factory=dict)

    @property
    def best_s(self) -> float:
        """The time at the best concurrency."""
        return min(self.times.values())


def contenders(standings: Sequence[Standing]) -> list[tuple[int, int]]:
    """Return who takes part in the rounds, as index of the standing and concurrency.

    Each form at its best; those near the best also at concurrencies that did nearly as well, for
    the sweep looked at each but once.
    """
    running = [standing for standing in standings if standing.times]
    best = min((standing.best_s for standing in running), default=0.0)
    chosen = []
    for index, standing in enumerate(standings):
        if not standing.times:
            continue
        own = standing.times
        first = knee({step: 1 / time for step, time in own.items()})
        near = [step for step in own if own[step] <= standing.best_s * NEAR_BEST]
        near.sort(key=own.__getitem__)
        kept = {first, *(near[:3] if standing.best_s <= best * NEAR_FORM else ())}
        chosen += [(index, step) for step in sorted(kept - {None}) if step is not None]
    return chosen


def is_hopeless(time_s: float, best_s: float) -> bool:
    """Whether more rounds could change nothing."""
    return time_s > best_s * HOPELESS


def order_of_round(count: int, number: int) -> list[int]:
    """Return the order in which the contenders of a round run: rotated, and turned round."""
    order = [(index + number) % count for index in range(count)]
    return order if number % 2 == 0 else order[::-1]


def round_seconds(left_s: float, rounds: int, count: int) -> float:
    """Return how long one contender's part of a round may take."""
    share = 0.8 * left_s / max(1, rounds * count)
    return min(max(share, SHORTEST_ROUND), LONGEST_ROUND)
