"""The event loop."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from nalsil._datagrams import Datagrams
from nalsil._life import Life
from nalsil._pipes import Pipes
from nalsil._processes import Processes
from nalsil._sendfile import Sendfile
from nalsil._serve import Serve


class EventLoop(Serve, Datagrams, Pipes, Processes, Sendfile, Life, asyncio.AbstractEventLoop):
    """An asyncio event loop.

    What runs per callback or per packet is native; what runs once per connection, server or loop
    stands in the Python modules of its bases.
    """

    def __init__(self) -> None:
        super().__init__()
        # asyncio's transports in Python enter themselves here.
        self._transports: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def close(self) -> None:
        """Close the loop: drop what waits, and end the default executor without waiting.

        Child processes that run are left to themselves; a thread waits for their end.

        Raises:
            RuntimeError: if the loop runs.
        """
        super().close()
        self._leave_children()
