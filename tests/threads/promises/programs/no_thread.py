"""The system has no room for one more thread when a job is submitted."""

import resource
import threading

from side import VARIANT, held, let_go, pool, say

ROOM = 256 * 1024
"""Bytes, less than any thread's stack."""


def submitted_without_room(executor, *job):
    """Whether `submit` takes the job while the address space may grow by `ROOM` at most."""
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, limits[1]))
    try:
        executor.submit(*job)
    except RuntimeError:
        return False
    else:
        return True
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


ran = []
with pool(2) as executor:
    if VARIANT == "one worker":
        runs = threading.Event()
        executor.submit(held, runs.set)
        runs.wait()
    taken = submitted_without_room(executor, ran.append, "first")
    say("submit takes the job" if taken else "submit refuses the job")
    if VARIANT == "one worker":
        let_go()
    executor.submit(ran.append, "second")
say("jobs that ran:", *sorted(ran))
