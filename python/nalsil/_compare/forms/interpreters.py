"""Sub-interpreters: threads that each have an interpreter, and a GIL, of their own."""

from __future__ import annotations

import concurrent.futures
import time

from nalsil import _nalsil
from nalsil._compare.forms.session import Clock, everything_failed, failed_reading, warm_indices
from nalsil._compare.forms.window import Window
from nalsil._compare.reading import Reading, thinned
from nalsil._compare.work import Order, Tally, Work, surroundings


def measure(work: Work, order: Order) -> Reading:
    """Measure the work in a pool of interpreters, from outside of them."""
    # Only Python 3.14 and later have it; the form is not offered before.
    make = getattr(concurrent.futures, "InterpreterPoolExecutor")  # noqa: B009
    with surroundings(work):
        began = time.perf_counter()
        with make(order.concurrency) as pool:
            tally = Tally.of(work)
            window = Window(pool, work, order, tally)
            window.check(order.check)
            if everything_failed(tally, order):
                return failed_reading(tally)
            window.warm(warm_indices(order))
            started = time.perf_counter() - began
            clock = Clock(_nalsil.Meter(mode="threads"))
            for _ in range(order.passes):
                with clock:
                    (window.run_checked if order.check_timed else window.run)(order.indices)
            reading = clock.reading(tally, started)
    reading["units"] = len(order.indices) * order.passes
    reading["latencies"] = thinned(window.latencies)
    return reading
