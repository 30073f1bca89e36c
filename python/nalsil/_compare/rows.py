"""From the readings of all rounds to the rows of the report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any, Literal

from nalsil._compare.failures import merged
from nalsil._compare.reading import SHARES, Reading

Row = dict[str, Any]


def empty_row(form: str, function: str, concurrency: int | None) -> Row:
    """Return the row of a form that was not measured."""
    return {
        "form": form,
        "function": function,
        "concurrency": concurrency,
        "measured": False,
        "rounds": 0,
        "elapsed_s": None,
        "throughput_per_s": None,
        "latency_s": None,
        "cpu_s": None,
        "shares": None,
        "gil_share": None,
        "switches_per_unit": None,
        "threads": None,
        "peak_rss_bytes": None,
        "bytes_per_unit": None,
        "errors": [],
        "status": "skipped",
        "note": None,
        "units_per_round": None,
        "start_s": None,
        "held_waiting": None,
        "blocking": None,
        "band": None,
        "best": False,
    }


def numbers(readings: Sequence[Reading], items: int, concurrency: int) -> Row:
    """Return the part of a row that readings tell; times are for all items."""
    times = [items * seconds_per_unit(reading) for reading in readings]
    low, high = interval_of_median(times)
    median = statistics.median(times)
    return {
        "measured": True,
        "rounds": len(readings),
        "elapsed_s": {"median": median, "low": low, "high": high},
        "throughput_per_s": items / median,
        "latency_s": _latency(readings),
        "cpu_s": items * statistics.median(r["cpu_s"] / r["units"] for r in readings),
        "shares": _shares(readings),
        "gil_share": _mean([r["gil_share"] for r in readings]),
        "switches_per_unit": _switches(readings),
        "threads": max(r["threads"] for r in readings),
        "peak_rss_bytes": max(r["peak_rss_bytes"] for r in readings),
        "bytes_per_unit": _bytes_per_unit(readings, min(items, concurrency)),
        "units_per_round": readings[-1]["units"],
        "start_s": statistics.median(r["start_s"] for r in readings),
        "held_waiting": _part(readings, "held_waiting_s"),
        "blocking": _part(readings, "blocking_s"),
    }


def seconds_per_unit(reading: Reading) -> float:
    """Return the seconds from one finished unit to the next, on average."""
    return max(reading["elapsed_s"], 1e-9) / reading["units"]


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """Return the interval between order statistics that holds the median with 95 %.

    The k-th smallest and k-th largest of n values miss it with the probability that fewer than k
    of n fair coins fall on one side, twice. Up to five values hold it less surely: all are taken.
    """
    ordered = sorted(values)
    count = len(ordered)
    rank, missed = 0, 0.0
    while rank < (count - 1) // 2:
        missed += math.comb(count, rank) / 2**count
        if missed > 0.025:
            break
        rank += 1
    rank = max(rank - 1, 0)
    return ordered[rank], ordered[count - 1 - rank]


def _latency(readings: Sequence[Reading]) -> Row | None:
    pooled = sorted(ns for reading in readings for ns in reading["latencies"])
    if not pooled:
        return None
    return {"p50": _quantile(pooled, 0.5), "p99": _quantile(pooled, 0.99)}


def _quantile(ordered: Sequence[int], part: float) -> float:
    """The smallest value that so large a part of all does not exceed, in seconds."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] / 1e9


def _shares(readings: Sequence[Reading]) -> Row | None:
    seen = [reading for reading in readings if reading["seconds"] is not None]
    if not seen:
        return None
    sums = {key: sum((r["seconds"] or {}).get(key, 0.0) for r in seen) for key in SHARES}
    total = sum(sums.values())
    if total <= 0:
        return None
    unknown = {key for reading in seen for key in reading["unknown"]}
    return {key: None if key in unknown else sums[key] / total for key in SHARES}


def _part(
    readings: Sequence[Reading], key: Literal["held_waiting_s", "blocking_s"]
) -> float | None:
    """The share of all the time that the seconds under `key` are."""
    known = [(r[key], r["seconds"]) for r in readings]
    part = [seconds for seconds, _ in known if seconds is not None]
    total = sum(sum((seconds or {}).values()) for _, seconds in known)
    return sum(part) / total if part and total > 0 else None


def _switches(readings: Sequence[Reading]) -> Row | None:
    known = [(r["switches"], r["units"]) for r in readings if r["switches"] is not None]
    units = sum(count for _, count in known)
    if not units:
        return None
    return {
        "voluntary": sum(switches["voluntary"] for switches, _ in known) / units,
        "involuntary": sum(switches["involuntary"] for switches, _ in known) / units,
    }


def _bytes_per_unit(readings: Sequence[Reading], in_flight: int) -> int | None:
    grown = [r["grown_bytes"] for r in readings if r["grown_bytes"] is not None]
    # What was given back later stays in the process: the first time tells most.
    return round(min(grown) / in_flight) if grown else None


def tell_growth(rows: Sequence[Row]) -> None:
    """Leave out what the first unit in flight adds once and for all: buffers, modules, caches.

    The rows are of one form, the fewest in flight first; each tells what its process has grown by.
    """
    known = [row for row in rows if row["bytes_per_unit"] is not None]
    for row in known[:0:-1]:
        fewest, most = known[0]["concurrency"], row["concurrency"]
        grown = row["bytes_per_unit"] * most - known[0]["bytes_per_unit"] * fewest
        row["bytes_per_unit"] = max(0, round(grown / (most - fewest)))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def all_errors(readings: Sequence[Reading]) -> list[Row]:
    """Return the errors of all readings, counted together."""
    return merged(row for reading in readings for row in reading["errors"])


def sampler_cost(readings: Sequence[Reading]) -> float:
    """Return the CPU time of the sampler as a part of the time that it looked at."""
    looked = sum(reading["sampled_s"] for reading in readings)
    return sum(reading["sampler_cpu_s"] for reading in readings) / looked if looked > 0 else 0.0
