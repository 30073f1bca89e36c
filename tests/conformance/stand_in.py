"""Puts a loop in the place of the stock ones, and counts the loops that are made.

Replaced is every name by which `test.test_asyncio` makes a loop that really runs:
`asyncio.SelectorEventLoop`, `asyncio.EventLoop`, the same names in `asyncio.unix_events`, and the
factory of the default policy, through which `asyncio.new_event_loop`, `asyncio.run` and
`IsolatedAsyncioTestCase` go. Left alone are `asyncio.BaseEventLoop` and the tests' own loop made
of mocks, which have no inside to replace.
"""

from __future__ import annotations

import asyncio
import importlib
from asyncio import selector_events, unix_events
from types import ModuleType
from typing import Any

from .made import STOCK, Made

LOOP_NAMES = ("SelectorEventLoop", "EventLoop", "_UnixSelectorEventLoop")
POLICY_NAMES = ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy")


def put_in_place(name: str, made: Made) -> None:
    """Make the module `name` (`nalsil`, `uvloop`) the one whose loops the tests get.

    With `asyncio` nothing is replaced. The loops made from now on are counted in `made`.

    Raises:
        ImportError: there is no such module.
        AttributeError: it has neither `EventLoop` nor `Loop`.
    """
    count_stock_loops(made)
    if name != STOCK:
        replace(counting(loop_class(importlib.import_module(name)), made))


def loop_class(module: ModuleType) -> type[asyncio.AbstractEventLoop]:
    """The class of the loops of a package: `EventLoop`, or `Loop` in uvloop."""
    found = getattr(module, "EventLoop", None) or getattr(module, "Loop", None)
    if not isinstance(found, type):
        raise AttributeError(f"`{module.__name__}` has no class `EventLoop`")
    return found


def counting(base: type[Any], made: Made) -> type[Any]:
    """A subclass of `base` that takes the selector of the stock loop, closes it and counts."""

    class EventLoop(base):  # type: ignore[misc]
        # No `__dict__` here: a test must not be able to set what it could not set on `base`.
        __slots__ = ()

        def __new__(cls, selector: object = None) -> Any:
            return base.__new__(cls)  # type: ignore[call-overload]

        def __init__(self, selector: Any = None) -> None:
            super().__init__()
            made.add("loops")
            if selector is not None:
                selector.close()

    return EventLoop


def replace(loop: type[Any]) -> None:
    """Make every public way to a stock loop lead to `loop`."""
    for module in (asyncio, unix_events):
        for name in LOOP_NAMES:
            if hasattr(module, name):
                setattr(module, name, loop)
    for name in POLICY_NAMES:
        if hasattr(unix_events, name):
            getattr(unix_events, name)._loop_factory = loop


def count_stock_loops(made: Made) -> None:
    """Count the loops of the stock class, so that a way to it that stayed open is seen."""
    stock = selector_events.BaseSelectorEventLoop
    original = stock.__init__

    def counted(self: Any, *arguments: Any, **keywords: Any) -> None:
        made.add("stock_loops")
        original(self, *arguments, **keywords)

    stock.__init__ = counted  # type: ignore[method-assign]
