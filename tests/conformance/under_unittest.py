"""Runs the tests of a module by `unittest`."""

from __future__ import annotations

import traceback
import unittest
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from .record import Record


class Reporter(unittest.TestResult):
    """A result that tells each test's start and end."""

    def __init__(self, record: Record, name_of: Callable[[str], str]) -> None:
        super().__init__()
        self.record = record
        self.name_of = name_of

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.record.start(self.name_of(test.id()))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        self.record.stop(self.name_of(test.id()))

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        if isinstance(test, unittest.TestCase):
            self.record.fail(text_of(err))
        else:
            self.fixture(test, "failed", text_of(err))

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.record.fail(text_of(err))

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.record.fail(text_of(err))

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self.record.skip(reason, static=is_skipped_by_decorator(test))
        else:
            self.fixture(test, "skipped", reason)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.record.fail("unexpected success of a test marked `expectedFailure`")

    def fixture(self, holder: Any, outcome: str, detail: str) -> None:
        """Tell what became of a `setUpClass` or `setUpModule`: its tests never start."""
        self.record.watch.event("fixture", what=holder.id(), outcome=outcome, detail=detail)


def text_of(err: Any) -> str:
    return "".join(traceback.format_exception(*err))


def is_skipped_by_decorator(test: unittest.TestCase) -> bool:
    """Whether the skip was decided when the module was imported, without any loop."""
    method = getattr(test, getattr(test, "_testMethodName", ""), None)
    return bool(
        getattr(type(test), "__unittest_skip__", False)
        or getattr(method, "__unittest_skip__", False)
    )


def flatten(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def run(
    loaded: ModuleType, wanted: set[str], record: Record, name_of: Callable[[str], str]
) -> None:
    """Run the tests of a module, or the wanted ones, and tell them to `record`.

    `name_of` makes the id of a test its name in tables and reports.
    """
    tests = list(flatten(unittest.defaultTestLoader.loadTestsFromModule(loaded)))
    record.watch.event("plan", tests=[name_of(test.id()) for test in tests])
    chosen = [test for test in tests if not wanted or name_of(test.id()) in wanted]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        unittest.TestSuite(chosen).run(Reporter(record, name_of))
