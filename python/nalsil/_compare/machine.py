"""The machine, the Python, and what a process has used of them."""

from __future__ import annotations

import functools
import os
import platform
import resource
import sys
import sysconfig
from pathlib import Path
from typing import Any

PAGE = resource.getpagesize()


def cpus() -> int:
    """Return how many processors this process may run on."""
    return len(os.sched_getaffinity(0))


def describe_machine() -> dict[str, Any]:
    """Return what the report says of the machine, without what has to be measured."""
    memory = PAGE * os.sysconf("SC_PHYS_PAGES")
    kernel = platform.release().split("-")[0]
    system = f"{platform.system()} {kernel} {platform.machine()}"
    return {"cpus": cpus(), "memory_bytes": memory, "system": system}


def describe_python() -> dict[str, Any]:
    """Return what the report says of the interpreter."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and not has_gil(),
    }


def has_gil() -> bool:
    """Return whether threads of this interpreter take turns."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return True if enabled is None else bool(enabled())


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended, in seconds."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def rss_bytes() -> int:
    """Return how much memory of this process is resident, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@functools.cache
def rss_bytes_at_first() -> int:
    """Return what `rss_bytes()` was at the first call: before anything was measured."""
    return rss_bytes()


def private_bytes() -> int | None:
    """Return the resident memory that this process shares with nobody, in bytes, if it is told."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def threads() -> int:
    """Return how many threads this process has, those that Python does not know among them."""
    return len(os.listdir("/proc/self/task"))


def descendants() -> list[int]:
    """Return the processes that stem from this one, as far as their parents live."""
    children: dict[int, list[int]] = {}
    for process in _processes():
        try:
            state = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            continue
        parent = int(state.rpartition(")")[2].split()[1])
        children.setdefault(parent, []).append(process)
    found: list[int] = []
    ahead = [os.getpid()]
    while ahead:
        ahead += (below := children.get(ahead.pop(), []))
        found += below
    return found


def cpu_seconds_of(processes: list[int]) -> float:
    """Return the CPU time of the threads that live in these processes, in seconds."""
    nanoseconds = 0
    for process in processes:
        for times in Path(f"/proc/{process}/task").glob("*/schedstat"):
            try:
                nanoseconds += int(times.read_text().split()[0])
            except (OSError, IndexError):
                continue
    return nanoseconds / 1e9


def group(leader: int) -> list[int]:
    """Return the processes of a process group that have not ended."""
    found = []
    for process in _processes():
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(state[2]) == leader and state[0] not in "ZX":
            found.append(process)
    return found


def is_tracker(process: int) -> bool:
    """Return whether a process is the one that removes what multiprocessing has left behind."""
    try:
        return b"multiprocessing.resource_tracker" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def marked(mark: str) -> list[int]:
    """Return the processes of this user whose environment holds `mark`."""
    found = []
    for process in _processes():
        try:
            if mark.encode() in Path(f"/proc/{process}/environ").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
