"""A job of an awaiting caller raises StopIteration."""

import asyncio

from side import run, say


async def main():
    say("a job raises StopIteration")
    try:
        await asyncio.to_thread(next, iter(()))
    except RuntimeError as error:
        say("RuntimeError caused by", type(error.__cause__).__name__)


run(main())
