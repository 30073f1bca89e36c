"""What a job sees of its submitter's context variables, and the submitter of the job's."""

import asyncio
from contextvars import ContextVar

from side import VARIANT, pool, run, say, to_thread

variable = ContextVar("variable", default="nothing")


def submit():
    variable.set("the submitter's value")
    say("the job sees", pool(1).submit(variable.get).result())


async def run_in_executor():
    variable.set("the caller's value")
    loop = asyncio.get_running_loop()
    say("the job sees", await loop.run_in_executor(None, variable.get))


async def copy_back():
    await to_thread(variable.set, "the job's value", copy_back=True)
    say("the caller sees", variable.get())


def worker():
    variable.set("the first submitter's value")
    executor = pool(1, context=None)
    executor.submit(int).result()
    say("the worker sees", executor.submit(variable.get).result())


outcome = {
    "submit": submit,
    "run_in_executor": run_in_executor,
    "copy back": copy_back,
    "worker": worker,
}[VARIANT]()
if outcome is not None:
    run(outcome)
