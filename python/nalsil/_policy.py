"""The event loop policy, for as long as Python has policies."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings

from nalsil._event_loop import EventLoop

if sys.version_info >= (3, 14):
    from asyncio.unix_events import _DefaultEventLoopPolicy as _DefaultPolicy
else:
    from asyncio import DefaultEventLoopPolicy as _DefaultPolicy


class EventLoopPolicy(_DefaultPolicy):
    """A policy whose loops are nalsil's."""

    def _loop_factory(self) -> EventLoop:
        return EventLoop()

    def new_event_loop(self) -> EventLoop:
        """Return a new loop."""
        return EventLoop()


def install() -> None:
    """Make nalsil's loop the one that asyncio makes in this process from now on.

    `nalsil.run` and `asyncio.Runner(loop_factory=nalsil.new_event_loop)` need no installing and
    change nothing outside; prefer them.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("install() was called outside the main thread; hint: call it at startup")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(EventLoopPolicy())
