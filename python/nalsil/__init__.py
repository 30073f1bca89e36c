"""Coroutines and threads for Python on one Rust runtime.

>>> import nalsil
>>> async def main() -> str:
...     return "woven"
>>> nalsil.run(main())
'woven'
"""

from __future__ import annotations

import sys

from nalsil._event_loop import EventLoop
from nalsil._nalsil import __version__
from nalsil._run import new_event_loop, run
from nalsil._server import Server

__all__ = ["EventLoop", "Server", "__version__", "new_event_loop", "run"]

if sys.version_info < (3, 16):
    from nalsil._policy import EventLoopPolicy, install

    __all__ += ["EventLoopPolicy", "install"]
