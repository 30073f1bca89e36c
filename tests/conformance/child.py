"""The process in which the tests of one module run.

    python -P child.py LOOP MODULE SECONDS EVENTS STACKS < wanted

Reads the names of the tests to run from the standard input, one a line; none means all. Writes
what happens as JSON lines to the descriptor EVENTS. When nothing happens for SECONDS, the stacks
of all threads go to the file STACKS; ending the process is the parent's business.
"""

from __future__ import annotations

import faulthandler
import importlib
import io
import json
import os
import sys
import time
import traceback
import unittest
import warnings
from collections.abc import Iterator
from typing import Any

PACKAGE = "test.test_asyncio"


class Watch:
    """Writes events and keeps the timer that dumps the stacks of a test that hangs."""

    def __init__(self, descriptor: int, stacks: io.FileIO, seconds: float) -> None:
        os.set_inheritable(descriptor, False)
        self.descriptor = descriptor
        self.stacks = stacks
        self.seconds = seconds

    def event(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"event": kind, **fields}) + "\n"
        data = line.encode()
        while data:
            data = data[os.write(self.descriptor, data) :]
        faulthandler.dump_traceback_later(self.seconds, file=self.stacks)


class Reporter(unittest.TestResult):
    """A result that tells each test's start and end."""

    def __init__(self, watch: Watch, made: Any) -> None:
        super().__init__()
        self.watch = watch
        self.made = made
        self.outcome: tuple[str, str] = ("passed", "")
        self.static = False
        self.started = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcome = ("passed", "")
        self.static = False
        self.started = time.monotonic()
        self.made.take()
        self.watch.event("start", test=name_of(test))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        loops, stock_loops = self.made.take()
        outcome, detail = self.outcome
        self.watch.event(
            "stop",
            test=name_of(test),
            outcome=outcome,
            detail=detail,
            static=self.static,
            loops=loops,
            stock_loops=stock_loops,
            seconds=time.monotonic() - self.started,
        )

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        if isinstance(test, unittest.TestCase):
            self.fail(err)
        else:
            self.fixture(test, "failed", text_of(err))

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self.fail(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.fail(err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        super().addSkip(test, reason)
        if not isinstance(test, unittest.TestCase):
            self.fixture(test, "skipped", reason)
        elif self.outcome[0] == "passed":
            self.static = is_skipped_by_decorator(test)
            self.outcome = ("skipped", reason)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self.outcome = ("failed", "unexpected success of a test marked `expectedFailure`")

    def fixture(self, holder: Any, outcome: str, detail: str) -> None:
        """Tell what became of a `setUpClass` or `setUpModule`: its tests never start."""
        self.watch.event("fixture", what=holder.id(), outcome=outcome, detail=detail)

    def fail(self, err: Any) -> None:
        detail = self.outcome[1] + "\n" if self.outcome[0] == "failed" else ""
        self.outcome = ("failed", detail + text_of(err))


def text_of(err: Any) -> str:
    return "".join(traceback.format_exception(*err))


def name_of(test: unittest.TestCase) -> str:
    return test.id().removeprefix(PACKAGE + ".")


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


def run(module: str, wanted: set[str], watch: Watch, made: Any) -> None:
    """Run the tests of a module, or the wanted ones, and report them to `watch`."""
    try:
        loaded = importlib.import_module(f"{PACKAGE}.{module}")
    except unittest.SkipTest as skip:
        watch.event("skip", detail=str(skip))
        return
    tests = list(flatten(unittest.defaultTestLoader.loadTestsFromModule(loaded)))
    watch.event("plan", tests=[name_of(test) for test in tests])
    chosen = [test for test in tests if not wanted or name_of(test) in wanted]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        unittest.TestSuite(chosen).run(Reporter(watch, made))


def main() -> None:
    loop, module, seconds, events, stacks = sys.argv[1:]
    wanted = set(sys.stdin.read().split())
    with open(stacks, "wb", buffering=0) as file:
        faulthandler.enable(file)
        watch = Watch(int(events), file, float(seconds))
        sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        try:
            put_in_place = importlib.import_module("conformance.stand_in").put_in_place
            run(module, wanted, watch, put_in_place(loop))
        except BaseException:
            watch.event("broken", detail=traceback.format_exc())
            raise
        # The timer stays armed: the interpreter may hang while it ends.
        watch.event("end")


if __name__ == "__main__":
    main()
