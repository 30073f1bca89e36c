"""A process forks while the only worker of its pool runs a job and another is queued."""

import os
import threading
import warnings

from side import VARIANT, held, let_go, pool, say

# From 3.12 on Python warns of what this program is about.
warnings.simplefilter("ignore", DeprecationWarning)

runs = threading.Event()
executor = pool(1)
running = executor.submit(held, runs.set)
queued = executor.submit(say, "the queued job runs")
runs.wait()

if (child := os.fork()) == 0:
    if VARIANT == "new job":
        say("the child submits")
        executor.submit(say, "the child's job runs").result()
    else:
        say("the child waits for the parent's", VARIANT)
        future = {"running job": running, "queued job": queued}[VARIANT]
        say("it gets", type(future.exception()).__name__)
else:
    say("the child exits with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    let_go()
    queued.result()
