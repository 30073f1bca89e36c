"""A done-callback raises what no `except Exception` catches; the pool has one worker."""

import asyncio
import logging
import os
import threading

from side import VARIANT, pool, say


class Spoken(logging.Handler):
    def emit(self, record):
        say(type(record.exc_info[1]).__name__, "is logged")


logger = logging.getLogger("concurrent.futures")
logger.addHandler(Spoken())
logger.propagate = False


def raising(future):
    raise {"SystemExit": SystemExit, "CancelledError": asyncio.CancelledError}[VARIANT]


with pool(1) as executor:
    go = threading.Event()
    future = executor.submit(go.wait)
    future.add_done_callback(raising)
    go.set()
    future.result()
    executor.submit(os.getpid).result()
    say("the next job ran")
