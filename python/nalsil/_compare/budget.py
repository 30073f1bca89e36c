"""The time that a comparison has, and how it is dealt out."""

from __future__ import annotations

import time

from nalsil._compare.lane import Limit
from nalsil._compare.options import Options

OVERRUN = 0.05
"""The part of the budget by which a measurement may run over its end."""

SLOW_START = 10.0
"""Seconds that loading the work may take at least, however small the budget."""

LONGEST_CALIBRATION = 0.3
"""Seconds that finding out how much of the processors is to be had may take, twice."""


class Budget:
    """The clock of one comparison; all is in seconds."""

    def __init__(self, options: Options) -> None:
        self._began = time.monotonic()
        self._asked_timeout = options.timeout
        self._hung = 0.0
        self.all = options.budget

    def spent(self) -> float:
        """Return how long it has run."""
        return time.monotonic() - self._began

    def used(self) -> float:
        """Return how much of the budget is used: without what hung until the user's timeout."""
        return self.spent() - self._hung

    def left(self) -> float:
        """Return how much is left, less what the end itself takes."""
        return self.all - self.used() - 2 * self.calibration

    @property
    def calibration(self) -> float:
        """How long the effective cores are measured."""
        return min(LONGEST_CALIBRATION, self.all / 50)

    @property
    def has_timeout(self) -> bool:
        """Whether the user has set a timeout."""
        return self._asked_timeout is not None

    @property
    def timeout(self) -> float:
        """After how long a measurement hangs."""
        return self._asked_timeout or self.all / 2

    @property
    def start_timeout(self) -> float:
        """After how long loading the work hangs."""
        return self._asked_timeout or max(SLOW_START, self.all / 2)

    def limit(self, *, is_first: bool = False) -> Limit:
        """Return how long one measurement may take.

        The first of a form has as long as the user allows, so that its row can say whether the
        work hangs; all others end with the budget.
        """
        left = max(0.5, self.left() + OVERRUN * self.all)
        if self.timeout <= left or (is_first and self.has_timeout):
            return Limit(self.timeout, True)
        return Limit(left, False)

    def forgive(self, seconds: float) -> None:
        """Leave out what hung for as long as the user wanted: other forms have no less for it."""
        if self.has_timeout:
            self._hung += seconds

    def may_try(self) -> bool:
        """Return whether a form that was not tried yet may be, whatever its units take."""
        return self.left() > 0 or self.has_timeout
