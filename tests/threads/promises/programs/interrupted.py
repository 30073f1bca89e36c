"""Ctrl-C, once a job runs and the main thread waits for it."""

import asyncio
import threading

from asks import INTERRUPT
from side import VARIANT, held, let_go, pool, run, say

runs = threading.Event()


def held_job():
    held(runs.set)


def in_result(executor):
    future = executor.submit(held_job)
    runs.wait()
    say(INTERRUPT)
    future.result()


def in_shutdown(executor):
    executor.submit(held_job)
    runs.wait()
    say(INTERRUPT)
    executor.shutdown()


def in_submit(executor):
    executor.submit(held_job)
    runs.wait()
    executor.submit(int)
    say(INTERRUPT)
    executor.submit(int)
    say("the queue takes any number of jobs")


def in_run(executor):
    async def main():
        await asyncio.to_thread(held, lambda: say(INTERRUPT))

    run(main())


def at_exit(executor):
    executor.submit(held_job)
    runs.wait()
    say(INTERRUPT)


wait = {
    "result": in_result,
    "shutdown": in_shutdown,
    "submit": in_submit,
    "run": in_run,
    "exit": at_exit,
}[VARIANT]
try:
    wait(pool(1, max_queue=1))
except KeyboardInterrupt:
    say("KeyboardInterrupt")
if VARIANT != "exit":
    let_go()
