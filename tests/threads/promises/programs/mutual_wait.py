"""Two running jobs wait for each other's result: no worker more would help."""

import threading

from side import pool, say


def wait_for(other):
    all_here.wait()
    return futures[other].result()


all_here = threading.Barrier(3, action=lambda: say("two jobs wait for each other"))
executor = pool(2, max_overflow=0)
futures = {
    "first": executor.submit(wait_for, "second"),
    "second": executor.submit(wait_for, "first"),
}
all_here.wait()
error = futures["first"].exception()
say(type(error).__name__, "with the stacks" if "wait_for" in str(error) else error)
