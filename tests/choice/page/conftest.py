"""One browser for all tests of the page, and a way to show a report in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nalsil._nalsil import render

from .browser import Browser, Page, chromium_running, find_chromium
from .cases import CASES, Report

Show = Callable[[Report], Page]


@pytest.fixture(scope="package")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser. Where CI runs, it may not be missing."""
    program = find_chromium()
    if program is None:
        reason = "`chromium` is not installed; hint: apt-get install chromium"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with chromium_running(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens the page of a report; whatever the test does with it, it may neither fail nor fetch."""
    path = tmp_path / "page.html"
    opened: list[Page] = []

    def open_page(report: Report) -> Page:
        path.write_text(render(json.dumps(report), "html"))
        opened.append(Page(chromium))
        opened[-1].open(path)
        return opened[-1]

    yield open_page
    for page in opened:
        trouble, requests = page.trouble, page.requests
        page.close()
        assert not trouble
        assert set(requests) == {path.as_uri()}


@pytest.fixture(params=CASES)
def report(request: pytest.FixtureRequest) -> Report:
    """Each of the reports in turn."""
    return CASES[request.param]()
