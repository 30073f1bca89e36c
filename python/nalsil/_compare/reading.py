"""What one measurement gave, as a child tells it to the parent."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, TypedDict

SHARES = (
    "cpu_python",
    "cpu_native",
    "wait_network",
    "wait_disk",
    "wait_sleep",
    "wait_child",
    "wait_lock",
    "wait_gil",
    "run_queue",
)
"""Where the time of a unit goes."""

KEPT_LATENCIES = 1001
"""How many latencies of a measurement are told: evenly spaced ones of the sorted list."""


MOST_SORTED = 20_000
"""Of more latencies than these, every second, third, and so on, is looked at."""


class Switches(TypedDict):
    """Context switches."""

    voluntary: int
    involuntary: int


class Outcomes(TypedDict):
    """What the units of one measurement returned and raised.

    Digests are by index of the item; the latencies of the units that were digested are apart.
    """

    errors: list[dict[str, Any]]
    failed_units: int
    digests: dict[int, str]
    opaque: list[str]
    check_latencies: list[int]


class Reading(Outcomes):
    """One measurement.

    Times are in seconds and for `units` units; latencies are sorted nanoseconds. What this form
    cannot tell is None.
    """

    units: int
    elapsed_s: float
    start_s: float
    latencies: list[int]
    cpu_s: float
    seconds: dict[str, float] | None
    unknown: list[str]
    held_waiting_s: float | None
    blocking_s: float | None
    gil_share: float | None
    switches: Switches | None
    threads: int
    peak_rss_bytes: int
    grown_bytes: int | None
    sampler_cpu_s: float
    sampled_s: float


def thinned(latencies: Sequence[int]) -> list[int]:
    """Return the sorted latencies, or evenly spaced ones of them with both ends."""
    ordered = sorted(latencies[:: 1 + len(latencies) // MOST_SORTED])
    if len(ordered) <= KEPT_LATENCIES:
        return ordered
    step = (len(ordered) - 1) / (KEPT_LATENCIES - 1)
    return [ordered[round(index * step)] for index in range(KEPT_LATENCIES)]


def unpacked(latencies: bytes) -> array[int]:
    """Return the latencies of a meter, in nanoseconds."""
    return array("Q", latencies)
