"""Puts a thread pool and its future in the place of the stock ones, and counts the pools made.

Replaced are `ThreadPoolExecutor` and `Future` in `concurrent.futures` and where that has them from.
What is imported later, the tests and the libraries under test, thus gets the pool by every name.
"""

from __future__ import annotations

import concurrent.futures
import importlib
from concurrent.futures import _base, thread
from types import ModuleType

from .made import STOCK, Made, count

PARTS = ("ThreadPoolExecutor", "Future")


def put_in_place(name: str, made: Made) -> bool:
    """Make the pool and the future of the module `name` those that the tests get.

    With `asyncio`, and with a package that has no pool, nothing is replaced. The pools made from
    now on are counted in `made`, and so are futures that are made by hand. Returns whether there
    is a pool in place.
    """
    stock = thread.ThreadPoolExecutor
    package = importlib.import_module(name)
    if name == STOCK or not all(hasattr(package, part) for part in PARTS):
        count(stock, "stock_pools", made, but=())
        return False
    pool, future = (getattr(package, part) for part in PARTS)
    count(stock, "stock_pools", made, but=(pool,))
    count(pool, "pools", made, but=())
    count(future, "pools", made, but=())
    for module in (concurrent.futures, thread):
        module.ThreadPoolExecutor = pool  # type: ignore[misc, attr-defined]
    for module in (concurrent.futures, _base):
        module.Future = future  # type: ignore[misc]
    return True


def check(tests: ModuleType) -> None:
    """Check that the pool's own tests are about the pool and the future that are in place.

    Raises:
        RuntimeError: they have another one.
    """
    pool, future = thread.ThreadPoolExecutor, _base.Future
    for name, value in vars(tests).items():
        if name.startswith("ThreadPool"):
            found, wanted = getattr(value, "executor_type", pool), pool
        elif name.endswith("_FUTURE"):
            found, wanted = type(value), future
        elif name == "Future":
            found, wanted = value, future
        else:
            continue
        if found is not wanted:
            raise RuntimeError(f"`{name}` of `{tests.__name__}` is of {found}, not {wanted}")
