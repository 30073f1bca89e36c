"""The report's JSON, version 1, key by key: what others build on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

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
STATUSES = ("ok", "failed", "differs", "timed out", "skipped", "predicted")
CONFIDENCES = ("high", "medium", "low", "withheld")

Check = Callable[[Any, str], None]


def number(value: Any, where: str) -> None:
    assert type(value) in (int, float), f"{where} is no number: {value!r}"
    assert value >= 0, f"{where} is negative: {value!r}"


def whole(value: Any, where: str) -> None:
    assert type(value) is int, f"{where} is no integer: {value!r}"
    assert value >= 0, f"{where} is negative: {value!r}"


def text(value: Any, where: str) -> None:
    assert type(value) is str, f"{where} is no text: {value!r}"
    assert value, f"{where} is empty"
    assert not re.search(r"[\x00-\x1f\x7f]", value), f"{where} has control characters: {value!r}"


def flag(value: Any, where: str) -> None:
    assert type(value) is bool, f"{where} is neither true nor false: {value!r}"


def share(value: Any, where: str) -> None:
    number(value, where)
    assert value <= 1.001, f"{where} is more than all: {value!r}"


def one_of(*choices: str) -> Check:
    def check(value: Any, where: str) -> None:
        assert value in choices, f"{where} is none of {choices}: {value!r}"

    return check


def or_null(inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def each(inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        assert type(value) is list, f"{where} is no list: {value!r}"
        for position, entry in enumerate(value):
            inner(entry, f"{where}[{position}]")

    return check


def keys(**inner: Check) -> Check:
    """An object that has these keys and no other."""

    def check(value: Any, where: str) -> None:
        assert type(value) is dict, f"{where} is no object: {value!r}"
        missing, unknown = inner.keys() - value.keys(), value.keys() - inner.keys()
        assert not missing, f"{where} has no {sorted(missing)}"
        assert not unknown, f"{where} has {sorted(unknown)}, which version 1 has not"
        for key, entry in value.items():
            inner[key](entry, f"{where}.{key}")

    return check


ERROR = keys(type=text, message=lambda value, where: None, where=or_null(text), count=whole)
FORM = keys(
    form=text,
    function=text,
    concurrency=or_null(whole),
    measured=flag,
    rounds=whole,
    elapsed_s=or_null(keys(median=number, low=number, high=number)),
    throughput_per_s=or_null(number),
    latency_s=or_null(keys(p50=number, p99=number)),
    cpu_s=or_null(number),
    shares=or_null(keys(**dict.fromkeys(SHARES, or_null(share)))),
    gil_share=or_null(share),
    switches_per_unit=or_null(keys(voluntary=number, involuntary=number)),
    threads=or_null(whole),
    peak_rss_bytes=or_null(whole),
    bytes_per_unit=or_null(number),
    errors=each(ERROR),
    status=one_of(*STATUSES),
    note=or_null(text),
    units_per_round=or_null(whole),
    start_s=or_null(number),
    held_waiting=or_null(share),
    blocking=or_null(share),
    band=or_null(keys(low=number, high=number)),
    best=flag,
)
VERDICT = keys(
    form=or_null(text),
    function=or_null(text),
    concurrency=or_null(whole),
    confidence=one_of(*CONFIDENCES),
    tie=each(text),
    rule=or_null(whole),
    because=each(text),
    runner_up=or_null(text),
    flips=each(text),
    changes_for_you=each(text),
    limits=each(text),
)
REPORT = keys(
    schema=lambda value, where: one_of("1")(str(value), where),
    work=keys(
        target=text,
        functions=each(keys(name=text, **{"async": flag})),
        items=whole,
        items_source=text,
        takes_item=flag,
        rounds=whole,
        budget_s=number,
        took_s=number,
        interrupted=flag,
        warnings=each(text),
    ),
    machine=keys(
        cpus=whole,
        effective_cores=or_null(number),
        effective_cores_low=or_null(number),
        memory_bytes=whole,
        system=text,
    ),
    python=keys(version=text, implementation=text, free_threaded=flag),
    sampler=keys(rate_hz=number, cost_share=or_null(number), unknown=each(text)),
    forms=each(FORM),
    verdict=VERDICT,
)


def check_report(report: Any) -> None:
    """Raise AssertionError with the place where `report` is not what version 1 promises."""
    REPORT(report, "report")
    assert type(report["schema"]) is int
    for row in report["forms"]:
        check_row(row)
    best = [(row["form"], row["function"]) for row in report["forms"] if row["best"]]
    assert len(best) == len(set(best)), f"two best rows of one form: {best}"
    check_verdict(report)


def check_row(row: dict[str, Any]) -> None:
    """What holds between the values of one row."""
    where = f"{row['form']} at {row['concurrency']}"
    if row["measured"]:
        assert row["status"] in ("ok", "differs"), where
        elapsed = row["elapsed_s"]
        assert elapsed["low"] <= elapsed["median"] <= elapsed["high"], where
        assert row["rounds"] >= 1, where
        assert row["concurrency"] >= 1, where
        assert row["throughput_per_s"] > 0, where
        assert row["latency_s"]["p50"] <= row["latency_s"]["p99"], where
        assert row["cpu_s"] is not None, where
        assert row["band"] is None, where
    else:
        assert row["note"] or row["status"] == "predicted", f"{where} does not say why"
        assert row["shares"] is None, where
    if row["status"] in ("failed", "timed out", "skipped"):
        assert row["elapsed_s"] is None, where
    if row["status"] == "predicted":
        assert row["form"] == "coroutines", where
    shares = row["shares"]
    if shares and None not in shares.values():
        assert abs(sum(shares.values()) - 1) < 0.02, (
            f"{where}: shares sum to {sum(shares.values())}"
        )


def check_verdict(report: dict[str, Any]) -> None:
    """The verdict names rows of the report, and the table does not contradict it."""
    verdict = report["verdict"]
    named = {row["form"] for row in report["forms"]}
    named |= {f"{row['form']} of {row['function']}" for row in report["forms"]}
    candidates = [row for row in report["forms"] if row["measured"] and row["status"] == "ok"]
    if not candidates:
        assert verdict["form"] is None, "a verdict without a measured row"
        return
    assert verdict["because"], "a verdict without a reason"
    assert verdict["form"] in {row["form"] for row in candidates}
    assert set(verdict["tie"]) <= named
    chosen = [
        row
        for row in candidates
        if (row["form"], row["concurrency"]) == (verdict["form"], verdict["concurrency"])
    ]
    chosen.sort(key=lambda row: row["elapsed_s"]["median"])
    assert chosen, f"the verdict is no measured row: {verdict}"
    fastest = min(candidates, key=lambda row: row["elapsed_s"]["median"])
    assert fair(chosen[0], fastest), f"`{chosen[0]['form']}` against `{fastest['form']}`: {verdict}"


def fair(chosen: dict[str, Any], fastest: dict[str, Any]) -> bool:
    """Whether a table in which `fastest` is the fastest allows the verdict `chosen`.

    It does if that is the fastest, if the intervals of the two overlap, if both are of one form
    within 5 % of its best, or if it is plain code and the gain is under 1.1.
    """
    ratio = chosen["elapsed_s"]["median"] / fastest["elapsed_s"]["median"]
    overlap = chosen["elapsed_s"]["low"] <= fastest["elapsed_s"]["high"]
    same = chosen["form"] == fastest["form"] and ratio <= 1.06
    plain = chosen["form"] == "plain" and ratio <= 1.11
    return chosen is fastest or overlap or same or plain
