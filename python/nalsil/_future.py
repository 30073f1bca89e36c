"""What a pool returns for a job."""

from __future__ import annotations

import concurrent.futures
from typing import TypeVar

from nalsil import _nalsil

T = TypeVar("T")


class Future(_nalsil.Future, concurrent.futures.Future[T]):  # type: ignore[override]
    """A `concurrent.futures.Future` whose state is native.

    `concurrent.futures.wait`, `as_completed` and `asyncio.wrap_future` take it as they take their
    own. Its waits end with Ctrl-C at once, and an exception out of a done-callback is logged,
    whatever it is.
    """

    __slots__ = ()
