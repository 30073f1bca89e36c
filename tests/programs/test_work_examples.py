"""The works of `examples/work`: each form gives the same, nothing stays, `compare` runs them."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nalsil

from .loop_under_test import HANG_SECONDS, run

ROOT = Path(__file__).parents[2]
WORKS = ROOT / "examples" / "work"
NAMES = sorted(path.stem for path in WORKS.glob("*.py") if path.stem != "server")
COMMAND = re.compile(
    r"^nalsil compare examples/work/(?P<name>\w+)\.py:(?P<functions>[\w,]+) --items \d+$",
    re.MULTILINE,
)
ITEMS = range(5)


def command_of(name: str) -> re.Match[str]:
    """The command that the work's docstring names."""
    found = COMMAND.search((WORKS / f"{name}.py").read_text())
    assert found is not None
    assert found["name"] == name
    return found


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the works put their files, and theirs alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a work as `compare` does: with its folder first on the path."""
    monkeypatch.syspath_prepend(WORKS)
    return importlib.import_module


async def fixture(module: ModuleType, name: str) -> None:
    """Call `setup` or `teardown`, if the work has one, and await it if it asks for that."""
    given = getattr(module, name, None)
    result = given() if given is not None else None
    if inspect.isawaitable(result):
        await result


async def results_of(module: ModuleType, name: str) -> list[Any]:
    """What a function gives for each item: a coroutine's all at once, others one by one."""
    function = getattr(module, name)
    await fixture(module, "setup")
    try:
        if inspect.iscoroutinefunction(function):
            return await asyncio.gather(*map(function, ITEMS))
        return [function(item) for item in ITEMS]
    finally:
        await fixture(module, "teardown")


async def results_in_threads(module: ModuleType, name: str) -> list[Any]:
    """What a function gives for each item when threads call it."""
    await fixture(module, "setup")
    try:
        with nalsil.ThreadPoolExecutor(max_workers=len(ITEMS)) as pool:
            return list(pool.map(getattr(module, name), ITEMS))
    finally:
        await fixture(module, "teardown")


@pytest.mark.parametrize("name", NAMES)
def test_every_form_gives_the_same(
    name: str, load: Callable[[str], ModuleType], temporary: Path
) -> None:
    module = load(name)
    functions = command_of(name)["functions"].split(",")
    blocking = [f for f in functions if not inspect.iscoroutinefunction(getattr(module, f))]
    results = [run(partial(results_of, module, f)) for f in functions]
    results += [run(partial(results_in_threads, module, f)) for f in blocking]
    first, *others = results
    assert all(other == first for other in others)
    assert len(set(first)) > 1, "the results do not depend on the item"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("name", ["http_requests", "mixed"])
def test_the_server_ends_with_the_work(name: str, load: Callable[[str], ModuleType]) -> None:
    module = load(name)
    run(partial(results_of, module, command_of(name)["functions"].split(",")[0]))
    assert load("http_requests").server.returncode is not None


@pytest.mark.nalsil_only
@pytest.mark.hang_after(120)
@pytest.mark.parametrize("name", NAMES)
def test_compare_runs_it_in_every_form(name: str, tmp_path: Path) -> None:
    command = command_of(name)
    report = tmp_path / "report.json"
    target = f"{WORKS / name}.py:{command['functions']}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "nalsil", "compare", target, "--items", "8"),
            *("--rounds", "2", "--budget", "6", "--concurrency", "1,2", "--json", str(report)),
        ],
        capture_output=True,
        text=True,
        timeout=4 * HANG_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    forms = json.loads(report.read_text())["forms"]
    statuses = {row["form"]: row["status"] for row in forms if row["measured"]}
    wanted = {"plain", "threads", "processes"}
    wanted |= {"coroutines"} if "," in command["functions"] else set()
    assert {form for form, status in statuses.items() if status == "ok"} >= wanted, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_guide_shows_its_command(name: str) -> None:
    guide = (ROOT / "docs" / "compare.md").read_text()
    assert f"$ {command_of(name)[0]}\n" in guide
