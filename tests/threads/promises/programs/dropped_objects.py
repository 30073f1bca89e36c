"""What belongs to a job is dropped while the only worker is parked."""

import threading
import weakref

from side import VARIANT, pool, say, wait_until_parked

destroyed = threading.Semaphore(0)


class Watched:
    """Tells when it is destroyed."""

    def __init__(self):
        weakref.finalize(self, destroyed.release)


class Failure(Watched, Exception):
    pass


class Job(Watched):
    def __call__(self, argument):
        if VARIANT == "failed":
            raise Failure
        return Watched()


def play(executor):
    """Run one job and drop all that belongs to it."""
    future = executor.submit(Job(), Watched())
    outcome = future.exception() if VARIANT == "failed" else future.result()
    (worker,) = executor._threads
    wait_until_parked(worker)
    assert isinstance(outcome, Watched)


with pool(1) as executor:
    play(executor)
    say("the job is done and dropped")
    for _ in ("function", "argument", "outcome"):
        destroyed.acquire()
    say("function, argument and outcome are destroyed")
