"""Coroutines and threads for Python on one Rust runtime.

>>> import nalsil
>>> async def main() -> str:
...     return "woven"
>>> nalsil.run(main())
'woven'
"""

from __future__ import annotations

import sys

from nalsil import from_thread
from nalsil._errors import PoolDeadlock, QueueFull
from nalsil._event_loop import EventLoop
from nalsil._future import Future
from nalsil._nalsil import __version__, check_cancelled
from nalsil._pool import ThreadPoolExecutor
from nalsil._portal import Portal
from nalsil._run import new_event_loop, run
from nalsil._server import Server
from nalsil._to_thread import to_thread

__all__ = [
    "EventLoop",
    "Future",
    "PoolDeadlock",
    "Portal",
    "QueueFull",
    "Server",
    "ThreadPoolExecutor",
    "__version__",
    "check_cancelled",
    "from_thread",
    "new_event_loop",
    "run",
    "to_thread",
]

if sys.version_info < (3, 16):
    from nalsil._policy import EventLoopPolicy, install

    __all__ += ["EventLoopPolicy", "install"]
