"""The traceback of a job's exception, as its future gives it."""

import traceback

from side import pool, say


def job():
    raise ValueError


with pool(1) as executor:
    error = executor.submit(job).exception()
say("its frames:", *(frame.name for frame in traceback.extract_tb(error.__traceback__)))
