"""Puts a thread pool in place in the interpreters that the tests of the pool start.

They are started isolated, with a script that says `from concurrent.futures import
ThreadPoolExecutor`, so a line before the script does it. As in the stock package, the pool is
imported when its name is first asked for: some tests look into what happens at exit, and in which
order depends on when the pool was imported.
"""

from __future__ import annotations

import concurrent.futures
import functools
import importlib
from pathlib import Path
from typing import Any

from . import borrowed
from .made import STOCK, Made, count

TESTS = Path(__file__).resolve().parent.parent
POOL = "ThreadPoolExecutor"


def put_in_place(name: str, folder: Path | None, made: Made) -> None:
    """Make scripts that the tests start use the pool of the module `name`, and check that they do.

    `folder` is where the suite is borrowed from, if it is.
    """
    from test.support import script_helper

    original = script_helper.run_python_until_end
    first = (
        f"import sys; sys.path.append({str(TESTS)!r}); from conformance import scripts; "
        f"scripts.ready({name!r}, {str(folder or '')!r}, {str(made.marks)!r})\n"
    )

    @functools.wraps(original)
    def run(*arguments: str, **variables: Any) -> Any:
        if len(arguments) < 2 or arguments[-2] != "-c" or POOL not in arguments[-1]:
            return original(*arguments, **variables)
        made.by_scripts()
        ended = original(*arguments[:-1], first + arguments[-1], **variables)
        expected = "stock_pools" if name == STOCK else "pools"
        if made.by_scripts() != [expected]:
            errors = ended[0].err.decode(errors="replace")
            raise AssertionError(f"the script made no pool of `{name}`\n{errors}")
        return ended

    script_helper.run_python_until_end = run


def ready(name: str, folder: str, marks: str) -> None:
    """Get a script's interpreter ready: what is before the script calls this."""
    if folder:
        borrowed.add(Path(folder))
    stock = concurrent.futures.__getattr__
    asked: list[str] = []

    def get(attribute: str) -> Any:
        # The package may ask for the stock pool while it is imported, to inherit from it.
        if attribute != POOL or asked:
            return stock(attribute)
        asked.append(attribute)
        counted = Marks(Path(marks))
        if name == STOCK:
            pool = stock(attribute)
            count(pool, "stock_pools", counted, but=())
        else:
            pool = getattr(importlib.import_module(name), POOL)
            count(pool, "pools", counted, but=())
        setattr(concurrent.futures, POOL, pool)
        return pool

    concurrent.futures.__getattr__ = get  # type: ignore[method-assign]


class Marks(Made):
    """Counts into the file that the process of the tests reads."""

    def add(self, kind: str) -> None:
        with self.marks.open("a") as file:
            file.write(f"{kind}\n")
