"""The only worker waits for a job that is queued behind its own."""

import threading

from side import pool, say


def outer(executor):
    inner = executor.submit(threading.get_ident)
    say("outer waits for inner")
    here = inner.result() == threading.get_ident()
    say("inner ran", "on outer's thread" if here else "on another thread")


with pool(1) as executor:
    executor.submit(outer, executor).result()
