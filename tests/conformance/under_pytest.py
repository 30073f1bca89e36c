"""Runs the tests of a file by `pytest`."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from .record import Record


class Teller:
    """A plugin that runs the wanted tests and tells each one's start and end."""

    def __init__(self, module: str, wanted: set[str], record: Record) -> None:
        self.module = module
        self.wanted = wanted
        self.record = record
        self.problems: list[str] = []

    def name_of(self, item: pytest.Item) -> str:
        """`tests/test_a.py::TestB::test_c[d]` is `test_a.TestB.test_c[d]`."""
        return ".".join([self.module, *item.nodeid.split("::")[1:]])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.record.watch.event("plan", tests=[self.name_of(item) for item in items])
        if self.wanted:
            items[:] = [item for item in items if self.name_of(item) in self.wanted]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(report.longreprtext)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        name = self.name_of(item)
        self.record.start(name)
        try:
            return (yield)
        finally:
            self.record.stop(name)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.record.fail(f"{cause(report)}\n(in its {report.when})\n{report.longreprtext}")
        elif report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self.record.skip(reason, static=False)


def cause(report: pytest.TestReport) -> str:
    """The exception of a test that failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash else report.longreprtext.partition("\n")[0]


def run(
    folder: Path, module: str, options: Sequence[str], wanted: set[str], record: Record
) -> None:
    """Run the tests of `tests/MODULE.py` under `folder`, or the wanted ones.

    Raises:
        RuntimeError: the file cannot be collected.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    teller = Teller(module, wanted, record)
    file = folder / "tests" / f"{module}.py"
    told = ["--rootdir", folder, "--override-ini", "addopts=", "-p", "no:cacheprovider", *options]
    pytest.main([*map(str, told), str(file)], plugins=[teller])
    if teller.problems:
        raise RuntimeError("\n".join(teller.problems))
