"""The tests of others on the loop and the pool under test, a test for each of their modules."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from typing import NoReturn

import pytest

from . import report, verdicts
from .session import Session
from .suites import OWN, Unavailable, home
from .supervise import Target
from .tables import load_scope
from .verdicts import Report, Settings

JOBS = 2
MOST_EXCEPTIONS = {"asyncio": 39, "concurrent_futures": 0, "anyio": 5, "asgiref": 0}
SCOPE = load_scope()


def modules(suite: str) -> list[str]:
    """The modules of a suite; of this Python's own suites, those that it has."""
    names = list(SCOPE.suites[suite].modules)
    if suite in OWN:
        with contextlib.suppress(Unavailable):
            return home(suite).existing(names)
    return names


MODULES = {name: suite for suite in SCOPE.suites for name in modules(suite)}

pytestmark = [
    # The whole run takes about a minute; a loop that hangs in many tests needs longer.
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
            futures = session.start(targets(set(chosen_modules(request.session.items))))
            wait(futures.values())
        finally:
            session.close()
        print()
    return futures


def chosen_modules(items: Iterable[pytest.Item]) -> Iterator[str]:
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        if item.originalname == test_the_exceptions_are_few.__name__:
            yield from MODULES
        if item.originalname == test_module.__name__:
            yield str(item.callspec.params["module"])


def targets(names: Iterable[str]) -> Iterator[Target]:
    """The modules of suites that are to be had, with where they are."""
    for name in names:
        with contextlib.suppress(Unavailable):
            yield Target(MODULES[name], name, home(MODULES[name]).folder)


@pytest.mark.parametrize("module", MODULES)
def test_module(module: str, reports: Reports) -> None:
    found = reports[module].result() if module in reports else unavailable(MODULES[module])
    if found.skipped is not None:
        pytest.skip(found.skipped)
    causes = [*report.by_cause([found]), *report.stale_entries([found])]
    if not found.ok:
        pytest.fail("\n".join([*causes, *report.details([found])]), pytrace=False)


def unavailable(suite: str) -> NoReturn:
    """Skip a suite that is not to be had; where CI runs, what is downloaded has to be."""
    with pytest.raises(Unavailable) as caught:
        home(suite)
    if os.environ.get("CI") and suite not in OWN:
        pytest.fail(str(caught.value))
    pytest.skip(str(caught.value))


@pytest.mark.parametrize("suite", MOST_EXCEPTIONS)
def test_the_exceptions_are_few(suite: str, reports: Reports) -> None:
    found = [future.result() for future in reports.values()]
    counts = [one.counts()[verdicts.EXCEPTED] for one in found if one.suite == suite]
    assert sum(counts) <= MOST_EXCEPTIONS[suite]
