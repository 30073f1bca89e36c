"""Plain code: one unit after another, in the thread that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from nalsil._compare.forms import session
from nalsil._compare.reading import Reading
from nalsil._compare.work import Order, Work


class Loop:
    """A `for` loop."""

    def start(self, concurrency: int) -> None:
        """Nothing has to be started."""

    def run(self, unit: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Run the units here."""
        for item in items:
            unit(item)

    def stop(self) -> None:
        """Nothing is left."""


def measure(work: Work, order: Order) -> Reading:
    """Measure the work as plain code."""
    return session.measure(work, order, Loop())
