"""Two threads: the operating system runs each, and each may simply block.

Each says when it starts and ends. One waits two seconds, the other one second, and both together
take two, because they wait at the same time. The second one ends first.
"""

import threading
import time

import nalsil

START = time.monotonic()


def say(text: str) -> None:
    """Print ``text`` after the seconds since the program's start."""
    # One string with its line end: two threads that print at once must not mix their lines.
    print(f"{time.monotonic() - START:5.2f} s  {text}\n", end="", flush=True)


def task(name: str, delay: float) -> None:
    """Wait ``delay`` seconds, holding this thread and no other."""
    say(f"{name} starts on {threading.current_thread().name}, waits {delay:g} s")
    time.sleep(delay)
    say(f"{name} ends")


def main() -> None:
    """Give two jobs to a pool of two threads and wait until both are done."""
    with nalsil.ThreadPoolExecutor(max_workers=2, thread_name_prefix="worker") as pool:
        jobs = [pool.submit(task, "thread 1", 2), pool.submit(task, "thread 2", 1)]
    for job in jobs:
        job.result()


if __name__ == "__main__":
    main()
    say("total, on two threads")
