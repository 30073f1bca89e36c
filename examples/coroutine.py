"""Two coroutines on one thread: while one waits at ``await``, the other runs.

Each says when it starts and ends. One waits two seconds, the other one second, and both together
take two, because they wait at the same time. The second one ends first.
"""

import asyncio
import threading
import time

import nalsil

START = time.monotonic()


def say(text: str) -> None:
    """Print ``text`` after the seconds since the program's start."""
    print(f"{time.monotonic() - START:5.2f} s  {text}", flush=True)


async def task(name: str, delay: float) -> None:
    """Wait ``delay`` seconds without holding the thread."""
    say(f"{name} starts on {threading.current_thread().name}, waits {delay:g} s")
    await asyncio.sleep(delay)
    say(f"{name} ends")


async def main() -> None:
    """Run two tasks at the same time."""
    await asyncio.gather(task("coroutine 1", 2), task("coroutine 2", 1))


if __name__ == "__main__":
    nalsil.run(main())
    say("total, on one thread")
