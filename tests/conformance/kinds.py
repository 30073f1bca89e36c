"""What the process of the tests does for each suite."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from . import anyio_threads, borrowed, scripts, stand_in, stand_in_pool, under_unittest
from .made import STOCK, Made
from .record import Record, Watch
from .suites import OWN


@dataclasses.dataclass(frozen=True)
class Task:
    """What a process is started for."""

    loop: str
    module: str
    folder: Path | None
    """Where the tests are if not in this Python."""
    wanted: set[str]
    """The tests to run; none means all."""
    watch: Watch


def asyncio(task: Task) -> None:
    """Run a module of `test.test_asyncio`."""
    run_unittest(OWN["asyncio"], task, in_place(task))


def concurrent_futures(task: Task) -> None:
    """Run a module of `test.test_concurrent_futures`, its own or a borrowed one."""
    made = Made(Path.cwd() / "made")
    if not stand_in_pool.put_in_place(task.loop, made) and task.loop != STOCK:
        raise AttributeError(f"`{task.loop}` has no `ThreadPoolExecutor`")
    if task.folder is not None:
        borrowed.add(task.folder)
    scripts.put_in_place(task.loop, task.folder, made)
    run_unittest(OWN["concurrent_futures"], task, made, stand_in_pool.check)


def anyio(task: Task) -> None:
    """Run a file of anyio's tests, threads and portals of its asyncio backend being nalsil's."""
    made = in_place(task)
    sys.path.insert(0, str(task.folder / "src"))
    if task.loop == "nalsil":
        anyio_threads.put_in_place(made)
    # Its own limit, 20 s, is of `pytest_timeout`, whose mark some of its tests carry.
    plugins = ("anyio.pytest_plugin", "pytest_mock", "pytest_timeout")
    run_pytest(task, "pyproject.toml", plugins, made)


def asgiref(task: Task) -> None:
    """Run a file of asgiref's tests."""
    made = in_place(task)
    sys.path.insert(0, str(task.folder))
    run_pytest(task, "setup.cfg", ("pytest_asyncio.plugin",), made)


KINDS: dict[str, Callable[[Task], None]] = {
    kind.__name__: kind for kind in (asyncio, concurrent_futures, anyio, asgiref)
}


def in_place(task: Task) -> Made:
    """Put the loop and the pool of the chosen package in place; the counts of what is made."""
    made = Made(Path.cwd() / "made")
    stand_in.put_in_place(task.loop, made)
    stand_in_pool.put_in_place(task.loop, made)
    return made


def run_unittest(
    package: str, task: Task, made: Made, check: Callable[[ModuleType], None] | None = None
) -> None:
    """Import a module of a package, or the package that is one module, and run its tests."""
    whole = package.endswith(f".{task.module}")
    prefix = package.removesuffix(task.module) if whole else f"{package}."
    try:
        loaded = importlib.import_module(f"{prefix}{task.module}")
    except unittest.SkipTest as skip:
        task.watch.event("skip", detail=str(skip))
        return
    if check is not None:
        check(loaded)
    record = Record(task.watch, made)
    under_unittest.run(loaded, task.wanted, record, lambda name: name.removeprefix(prefix))


def run_pytest(task: Task, settings: str, plugins: tuple[str, ...], made: Made) -> None:
    """Run a file of a library's tests, with the library's settings but plugins of our choice."""
    # The other suites need no pytest.
    from . import under_pytest

    options: list[Any] = ["-c", task.folder / settings]
    for plugin in plugins:
        options += ["-p", plugin]
    record = Record(task.watch, made)
    under_pytest.run(task.folder, task.module, options, task.wanted, record)
