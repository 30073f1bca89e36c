"""What a waiting task and a waiting thread take of memory and of address space, in bytes.

python memory.py tasks
python memory.py threads
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading

import nalsil

TASKS = 20_000
THREADS = 400


def used(field: str) -> int:
    """A line of /proc/self/status: `VmRSS` is memory, `VmSize` address space."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


async def tasks() -> dict[str, float]:
    """Tasks that wait for one event."""
    go, waiting = asyncio.Event(), 0

    async def wait() -> None:
        nonlocal waiting
        waiting += 1
        await go.wait()

    before = used("VmRSS")
    held = [asyncio.create_task(wait()) for _ in range(TASKS)]
    while waiting < TASKS:
        await asyncio.sleep(0)
    taken = used("VmRSS") - before
    go.set()
    await asyncio.gather(*held)
    return {"task_memory": taken / TASKS}


def threads() -> dict[str, float]:
    """Threads that wait for one event."""
    go, waiting = threading.Event(), threading.Barrier(THREADS + 1)

    def wait() -> None:
        waiting.wait()
        go.wait()

    before = used("VmRSS"), used("VmSize")
    held = [threading.Thread(target=wait) for _ in range(THREADS)]
    for thread in held:
        thread.start()
    waiting.wait()
    after = used("VmRSS"), used("VmSize")
    go.set()
    for thread in held:
        thread.join()
    return {
        "thread_memory": (after[0] - before[0]) / THREADS,
        "thread_address_space": (after[1] - before[1]) / THREADS,
    }


if __name__ == "__main__":
    print(json.dumps(nalsil.run(tasks()) if sys.argv[1] == "tasks" else threads()))
