"""What stands on the page is what stands in the report."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from .cases import Report, at, kept, leaves, row_of
from .conftest import Show

NUMBERS = """[...document.querySelectorAll('[data-unit]')].map(
    e => [e.dataset.path, e.dataset.unit, e.textContent, e.title])"""

TEXTS = """[...document.querySelectorAll('[data-path]:not([data-unit])')].map(
    e => [e.dataset.path, e.textContent])"""

RATIOS = """[...document.querySelectorAll('[data-ratio]')].map(
    e => [e.dataset.ratio.split(' '), e.textContent])"""

MARKS = """[...document.querySelectorAll('[data-value]')].map(
    e => [e.dataset.mark, e.dataset.value, e.getAttribute('aria-label')])"""

PLACES = """[...document.querySelectorAll('.plot')].map(plot =>
    [...plot.querySelectorAll('[data-value]')].map(
        mark => [mark.dataset.mark, mark.x.baseVal.value, mark.y.baseVal.value]))"""

WIDTHS = """[...document.querySelectorAll('.bar')].map(bar =>
    [...bar.querySelectorAll('[data-value]')].map(part =>
        [part.dataset.mark, part.getBoundingClientRect().width / bar.clientWidth]))"""

SCALES = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "%": 0.01, "/s": 1.0, "k /s": 1e3}
SCALES |= {"M /s": 1e6, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "x": 1.0, "": 1.0}

ROUNDING = {"seconds": 1e-12, "per-second": 0.005, "bytes": 0.5, "share": 0.005, "mean": 0.005}
"""How far a number may be off because the smallest of its kind have no three digits."""

EXACT_UNITS = {"seconds": " s", "per-second": " per second", "bytes": " bytes"}


def read(text: str) -> float:
    """The value of a number and its unit, such as `12.3 ms`."""
    digits, unit = re.fullmatch(r"([\d.]+) ?(\D*)", text).groups()  # type: ignore[union-attr]
    return float(digits) * SCALES[unit]


def test_every_number_is_the_one_in_the_report(show: Show, report: Report) -> None:
    for path, unit, text, title in show(report).evaluate(NUMBERS):
        value = at(report, path)
        assert title == f"{title.split(' ')[0]}{EXACT_UNITS.get(unit, '')}", path
        assert float(title.split(" ")[0]) == value, path
        if text.startswith("<"):
            assert 0 < value < 0.005, path
        elif unit == "count":
            assert text == str(value), path
        else:
            rounded = pytest.approx(value, rel=0.006, abs=ROUNDING[unit])
            assert read(text) == rounded, (path, text)


def test_every_text_is_the_one_in_the_report(show: Show, report: Report) -> None:
    for path, text in show(report).evaluate(TEXTS):
        value = at(report, path)
        written = ", ".join(value) if isinstance(value, list) else value
        expected = "-" if value is None else str(written)
        # What stands in backticks is shown as code, without them.
        assert text.replace("`", "") == expected.replace("`", ""), path


def test_ratios_are_those_of_the_report(show: Show, report: Report) -> None:
    for (upper, lower), text in show(report).evaluate(RATIOS):
        ratio = at(report, upper) / at(report, lower)
        assert read(text) == pytest.approx(ratio, rel=0.006, abs=0.005), (upper, lower)


def test_no_number_of_a_row_and_no_word_of_the_verdict_is_left_out(
    show: Show, report: Report
) -> None:
    page = show(report)
    shown = {path for path, *_ in page.evaluate(NUMBERS) + page.evaluate(TEXTS)}
    wanted = {path for path, value in leaves(report) if is_wanted(path, value)}
    assert wanted <= shown, wanted - shown


def is_wanted(path: str, value: Any) -> bool:
    """All numbers of the rows but no rounds and later errors; all of the verdict that is not 1."""
    if path.startswith("verdict."):
        return value not in (None, 1) and not re.match(r"verdict\.(function|tie)", path)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    left_out = re.search(r"errors\.[1-9]", path) or (path.endswith(".rounds") and value == 0)
    return path.startswith("forms.") and number and not left_out


def test_the_report_itself_is_inside(show: Show, report: Report) -> None:
    inside = show(report).evaluate("document.getElementById('report').textContent")
    assert json.loads(inside) == report


def test_marks_have_the_values_and_names_of_the_report(show: Show, report: Report) -> None:
    marks = show(report).evaluate(MARKS)
    for path, value, label in marks:
        assert float(value) == at(report, path), path
        assert row_of(report, path)["form"] in label
    assert len({path for path, *_ in marks}) == len(marks)


def test_every_row_that_counts_has_its_points(show: Show) -> None:
    report = kept("network")
    marks = {path for path, *_ in show(report).evaluate(MARKS)}
    fields = ("throughput_per_s", "latency_s.p50", "latency_s.p99", "peak_rss_bytes")
    for index, row in enumerate(report["forms"]):
        for field in fields:
            assert (f"forms.{index}.{field}" in marks) == row["measured"]


def test_points_lie_where_their_values_are(show: Show, report: Report) -> None:
    """To the right with more in flight, up with a larger value."""
    plots = show(report).evaluate(PLACES)
    assert len(plots) == 4
    for plot in plots:
        assert_ordered([(row_of(report, path)["concurrency"], x) for path, x, _ in plot])
        assert_ordered([(at(report, path), -y) for path, _, y in plot])


def assert_ordered(pairs: list[tuple[float, float]]) -> None:
    """Larger values lie further on, equal ones at the same place."""
    pairs.sort()
    for (value, place), (next_value, next_place) in itertools.pairwise(pairs):
        assert place <= next_place + 0.01
        assert value < next_value or abs(place - next_place) < 0.01


def test_bars_are_as_wide_as_their_shares(show: Show) -> None:
    report = kept("network")
    bars = show(report).evaluate(WIDTHS)
    assert len(bars) == sum(row["best"] is True for row in report["forms"])
    for bar in bars:
        for path, width in bar:
            assert width == pytest.approx(at(report, path), abs=0.002), path


def test_what_is_predicted_is_hollow_and_marked(show: Show) -> None:
    report = kept("stopped_early")
    page = show(report)
    index = next(n for n, row in enumerate(report["forms"]) if row["status"] == "predicted")
    mark = f"document.querySelector('[data-mark=\"forms.{index}.throughput_per_s\"]')"
    assert page.evaluate(f"{mark}.getAttribute('aria-label')").startswith("~ coroutines")
    fill, ground = page.evaluate(
        f"[getComputedStyle({mark}).fill, getComputedStyle(document.body).backgroundColor]"
    )
    assert fill == ground
    cell = f"document.querySelector('.forms [data-path=\"forms.{index}.elapsed_s.median\"]')"
    assert page.evaluate(f"{cell}.parentElement.textContent").startswith("~")
    assert "~" in page.evaluate(f"{cell}.closest('tr').querySelector('th').textContent")


def test_what_failed_says_why(show: Show) -> None:
    report = kept("network")
    text = show(report).evaluate("document.querySelector('main').textContent")
    for row in report["forms"]:
        if not row["measured"]:
            assert row["status"] in text
            assert row["note"].replace("`", "") in text
    assert "ConnectionRefusedError" in text
    assert "work.py:41" in text
