"""The rules by which a conformance run fails."""

from __future__ import annotations

import pytest

from . import verdicts
from .supervise import Outcome
from .tables import Entry, entries, load_exceptions, load_scope, stale

TEST = "test_server.SomeTests.test_one"
LISTED = Entry("test_server.*.test_one", "looks inside")


def judge(
    here: str, stock: str | None = None, *listed: Entry, loop: str = "nalsil", stock_loops: int = 0
) -> str:
    outcome = Outcome(TEST, here, stock_loops=stock_loops)
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
    modules = {*scope.modules, *scope.later}
    assert {entry.module for entry in (*load_exceptions(), *scope.outside)} <= modules
