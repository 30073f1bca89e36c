"""One measurement, step by step, in a form whose units run in this process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from nalsil import _nalsil
from nalsil._compare import machine
from nalsil._compare.forms.units import checked, guarded
from nalsil._compare.reading import Outcomes, Reading, thinned, unpacked
from nalsil._compare.work import Order, Tally, Work, surroundings


class Crew(Protocol):
    """Those who run the units: this thread, or a pool of them."""

    def start(self, concurrency: int) -> None:
        """Be there, all of them."""

    def run(self, unit: Callable[[Any], None], items: Iterable[Any]) -> None:
        """Run a unit on each item, and return when the last is done."""

    def stop(self) -> None:
        """Be gone, all of them."""


def measure(work: Work, order: Order, crew: Crew) -> Reading:
    """Run one measurement."""
    with surroundings(work):
        began = time.perf_counter()
        try:
            crew.start(order.concurrency)
            started = time.perf_counter() - began
            return _measure(work, order, crew, started)
        finally:
            crew.stop()


def _measure(work: Work, order: Order, crew: Crew, started: float) -> Reading:
    function = work.function(order.function)
    tally = Tally.of(work)
    items = work.items
    crew.run(
        checked(function.call, function.takes_item, tally),
        [(index, items[index]) for index in order.check],
    )
    tally.fork.raise_if_seen()
    if everything_failed(tally, order):
        return failed_reading(tally)
    crew.run(
        guarded(function.call, function.takes_item, tally),
        [items[index] for index in warm_indices(order)],
    )
    meter = _nalsil.Meter(mode="units")
    call = meter.wrap(function.call)
    if order.check_timed:
        unit: Callable[[Any], None] = checked(call, function.takes_item, tally)
        taken: list[Any] = [(index, items[index]) for index in order.indices]
    else:
        unit = guarded(call, function.takes_item, tally)
        taken = [items[index] for index in order.indices]
    clock = Clock(meter)
    for _ in range(order.passes):
        with clock:
            crew.run(unit, taken)
    return clock.reading(tally, started)


def warm_indices(order: Order) -> Sequence[int]:
    """Return the items that run before the clock does: the first of those that are timed."""
    return order.indices[: order.warm]


def everything_failed(tally: Tally, order: Order) -> bool:
    """Whether no checked unit came through, so that there is nothing to time."""
    return bool(order.check) and tally.failures.total >= len(order.check)


class Clock:
    """Times passes while a meter looks on."""

    def __init__(self, meter: _nalsil.Meter) -> None:
        gc.collect()
        self._meter = meter
        self._elapsed = 0.0
        self._cpu = machine.cpu_seconds()
        self._meter.start()

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._elapsed += time.perf_counter() - self._began

    def reading(self, tally: Tally, started: float) -> Reading:
        """End the measurement, and return what it gave."""
        stats = self._meter.stop()
        cpu = machine.cpu_seconds() - self._cpu - stats["sampler_cpu_s"]
        return reading_of(stats, tally, elapsed=self._elapsed, started=started, cpu=cpu)


def reading_of(
    stats: dict[str, Any], tally: Tally, *, elapsed: float, started: float, cpu: float
) -> Reading:
    """Return what a meter saw of this process as a reading."""
    return {
        "units": stats["units"],
        "elapsed_s": elapsed,
        "start_s": started,
        "latencies": thinned(unpacked(stats["latencies"])),
        "cpu_s": max(0.0, cpu),
        "seconds": stats["seconds"],
        "unknown": stats["unknown"],
        "held_waiting_s": stats["held_waiting_s"],
        "blocking_s": stats["blocking_s"],
        "gil_share": stats["gil_share"],
        "switches": stats["switches"],
        "threads": stats["threads"],
        "peak_rss_bytes": stats["peak_rss_bytes"],
        "grown_bytes": max(0, stats["peak_rss_bytes"] - machine.rss_bytes_at_first()),
        "sampler_cpu_s": stats["sampler_cpu_s"],
        "sampled_s": stats["elapsed_s"],
        **outcomes_of(tally),
    }


def failed_reading(tally: Tally) -> Reading:
    """Return the reading of a measurement in which nothing came to be timed."""
    return {
        "units": 0,
        "elapsed_s": 0.0,
        "start_s": 0.0,
        "latencies": [],
        "cpu_s": 0.0,
        "seconds": None,
        "unknown": [],
        "held_waiting_s": None,
        "blocking_s": None,
        "gil_share": None,
        "switches": None,
        "threads": machine.threads(),
        "peak_rss_bytes": machine.rss_bytes(),
        "grown_bytes": None,
        "sampler_cpu_s": 0.0,
        "sampled_s": 0.0,
        **outcomes_of(tally),
    }


def outcomes_of(tally: Tally) -> Outcomes:
    """Return what the units returned and raised."""
    return {
        "errors": tally.failures.rows(),
        "failed_units": tally.failures.total,
        "digests": tally.check.digests,
        "opaque": sorted(tally.check.opaque),
        "check_latencies": thinned(tally.check.latencies),
    }
