"""What a pool tells of its jobs: one that holds the worker, two that work, one that fails."""

import threading

from side import pool, say

begun, gate = threading.Event(), threading.Event()


def blocks():
    begun.set()
    gate.wait()


def works():
    pass


def fails():
    raise ValueError


def report(numbers):
    say("completed", numbers["completed"], "failed", numbers["failed"])
    say("found every worker busy:", numbers["saturated"])
    for name, job in sorted(numbers["functions"].items()):
        say(name.rpartition(".")[2], job["count"], "failed", job["failed"])
        assert job["run"]["count"] == job["queue_wait"]["count"] == job["count"]
    for phase in ("queue_wait", "gil_wait", "run", "wake"):
        assert numbers[phase].keys() >= {"count", "mean", "p50", "p99", "max"}
    say("queue wait of", numbers["queue_wait"]["count"], "run of", numbers["run"]["count"])


executor = pool(1)
executor.submit(blocks)
begun.wait()
for job in (works, works, fails):
    executor.submit(job)
gate.set()
executor.shutdown()
say("the pool has run its jobs")
if hasattr(executor, "statistics"):
    report(executor.statistics())
else:
    say("nothing tells of them")
