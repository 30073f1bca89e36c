"""The rules by which a conformance run fails."""

from __future__ import annotations

import pytest

from . import verdicts
from .supervise import Outcome
from .tables import Entry, Scope, entries, load_exceptions, load_scope, stale

TEST = "test_server.SomeTests.test_one"
LISTED = Entry("test_server.*.test_one", "looks inside")


def judge(
    here: str, stock: str | None = None, *listed: Entry, loop: str = "nalsil", **made: int
) -> str:
    outcome = Outcome(TEST, here, **made)
    on_stock = Outcome(TEST, stock) if stock else None
    return verdicts.judge(outcome, on_stock, listed, loop).verdict


@pytest.mark.parametrize("outcome", ["failed", "hang", "crash"])
def test_what_only_stock_passes_counts_against_the_loop(outcome: str) -> None:
    assert judge(outcome, "passed") == outcome
    assert outcome in verdicts.BAD


@pytest.mark.parametrize("outcome", ["failed", "hang", "crash"])
def test_what_stock_does_not_pass_either_is_the_environment(outcome: str) -> None:
    assert judge(outcome, "failed") == verdicts.ENVIRONMENT
    assert verdicts.ENVIRONMENT not in verdicts.BAD


def test_a_listed_test_may_fail_but_not_pass() -> None:
    assert judge("failed", "passed", LISTED) == verdicts.EXCEPTED
    assert judge("passed", None, LISTED) == verdicts.UNEXPECTED_PASS
    assert verdicts.UNEXPECTED_PASS in verdicts.BAD


def test_a_skip_is_good_only_if_stock_skips_too() -> None:
    assert judge("skipped", "skipped") == verdicts.SKIPPED
    assert judge("skipped", "passed") == verdicts.SKIPS_HERE_ONLY
    assert judge("skipped", "passed", LISTED) == verdicts.EXCEPTED
    assert verdicts.SKIPS_HERE_ONLY in verdicts.BAD


def test_a_pass_on_a_stock_loop_is_none() -> None:
    assert judge("passed", stock_loops=1) == verdicts.STOCK_LOOP
    assert judge("passed", stock_loops=1, loop="asyncio") == verdicts.PASSED
    assert verdicts.STOCK_LOOP in verdicts.BAD


def test_a_pass_on_a_stock_pool_is_none() -> None:
    assert judge("passed", stock_pools=1) == verdicts.STOCK_POOL
    assert judge("passed", stock_pools=1, loop="uvloop") == verdicts.PASSED
    assert judge("passed", stock_pools=1, loop="asyncio") == verdicts.PASSED
    assert verdicts.STOCK_POOL in verdicts.BAD


def test_a_pass_that_takes_much_longer_than_on_stock_is_none() -> None:
    quick, slow = Outcome(TEST, "passed", seconds=1.0), Outcome(TEST, "passed", seconds=10.0)
    assert verdicts.is_in_doubt(slow)
    assert not verdicts.is_in_doubt(quick)
    assert verdicts.judge(slow, quick, (), "nalsil").verdict == verdicts.SLOW
    assert verdicts.judge(slow, slow, (), "nalsil").verdict == verdicts.PASSED
    assert verdicts.SLOW in verdicts.BAD


def test_an_entry_without_a_test_is_stale() -> None:
    other = Entry("test_server.*.test_gone", "looks inside")
    elsewhere = Entry("test_streams.*.test_gone", "looks inside")
    assert stale([LISTED, other, elsewhere], "test_server", [TEST]) == [other]


def test_an_entry_is_for_its_pythons_only() -> None:
    row = {"test": TEST, "reason": "looks inside"}
    assert entries([{**row, "pythons": ["2.7"]}]) == []
    assert entries([row]) == [Entry(TEST, "looks inside")]


def test_an_entry_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="has no reason"):
        entries([{"test": TEST, "reason": " "}])


def test_every_entry_is_of_a_module_that_is_run() -> None:
    scope = load_scope()
    rows = (*load_exceptions(), *scope.inside, *scope.outside)
    assert all(scope.suite_of(entry.module) for entry in rows)


def test_no_two_suites_have_a_module_of_the_same_name() -> None:
    tables = load_scope().suites.values()
    names = [name for table in tables for name in (*table.modules, *table.later)]
    assert len(names) == len(set(names))


def test_a_run_covers_what_is_inside_and_not_outside() -> None:
    scope = Scope(
        {},
        inside=(Entry("test_server.SomeTests.*", "of interest"),),
        outside=(Entry("test_server.*.test_two", "not yet"),),
    )
    assert scope.covers(TEST)
    assert not scope.covers("test_server.OtherTests.test_one")
    assert not scope.covers("test_server.SomeTests.test_two")
    assert scope.covers("test_streams.OtherTests.test_one")
