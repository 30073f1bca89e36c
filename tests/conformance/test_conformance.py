"""The interpreter's own asyncio tests on the loop under test, a test for each module."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait

import pytest

from . import report, verdicts
from .session import Session, existing, has_suite
from .tables import load_scope
from .verdicts import Report, Settings

JOBS = 2
MOST_EXCEPTIONS = 39
MODULES = existing(load_scope().modules) if has_suite() else []

pytestmark = [
    pytest.mark.skipif(not has_suite(), reason="this Python came without `test.test_asyncio`"),
    # The whole run takes about half a minute; a loop that hangs in many tests needs longer.
    pytest.mark.hang_after(1800),
]

Reports = dict[str, Future[Report]]


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest) -> Reports:
    """The reports on all chosen modules, run before the first test, with a line for each."""
    loop = os.environ.get("NALSIL_TEST_LOOP", "nalsil")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        session = Session(Settings(loop), JOBS, lambda text: print(f"\n{text}", end="", flush=True))
        try:
            futures = session.start(set(chosen_modules(request.session.items)))
            wait(futures.values())
        finally:
            session.close()
        print()
    return futures


def chosen_modules(items: Iterable[pytest.Item]) -> Iterator[str]:
    for item in items:
        if item.name == test_the_exceptions_are_few.__name__:
            yield from MODULES
        if isinstance(item, pytest.Function) and item.originalname == "test_module":
            yield str(item.callspec.params["module"])


@pytest.mark.parametrize("module", MODULES)
def test_module(module: str, reports: Reports) -> None:
    found = reports[module].result()
    if found.skipped is not None:
        pytest.skip(found.skipped)
    causes = [*report.by_cause([found]), *report.stale_entries([found])]
    if not found.ok:
        pytest.fail("\n".join([*causes, *report.details([found])]), pytrace=False)


def test_the_exceptions_are_few(reports: Reports) -> None:
    counts = [future.result().counts()[verdicts.EXCEPTED] for future in reports.values()]
    assert sum(counts) <= MOST_EXCEPTIONS
