"""A child watcher that waits for every child of the process: asyncio's, before Python 3.14."""

from __future__ import annotations

from asyncio import events, unix_events
from typing import Any

_Greedy: Any = getattr(unix_events, "FastChildWatcher", None)


def greedy_watcher() -> Any | None:
    """Return the policy's child watcher if it takes the exit status of children of others.

    Such a one has to be told of every child, or the status is lost.
    """
    # Asking for the policy or its watcher would make one.
    watcher: Any = getattr(getattr(events, "_event_loop_policy", None), "_watcher", None)
    greedy = _Greedy is not None and isinstance(watcher, _Greedy)
    return watcher if greedy and watcher.is_active() else None
