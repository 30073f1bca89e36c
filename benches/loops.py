"""The event loops that can be measured, by name."""

import asyncio
import importlib
import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LOOPS = ("nalsil", "asyncio", "uvloop", "rloop", "rsloop", "zuvloop")
SUBJECT = "nalsil"
PROBE_SECONDS = 30
LARGE_BLOCK_BYTES = 4 * 1_024 * 1_024


def factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """The `new_event_loop` of loop `name`.

    Only the package that is asked for is imported, as some change asyncio when they are.
    """
    module = importlib.import_module(name)
    make: Callable[[], asyncio.AbstractEventLoop] = module.new_event_loop
    return make


def runner(name: str) -> asyncio.Runner:
    """A runner on loop `name`, in a process whose allocator has seen a large block come and go.

    Until then glibc maps and unmaps every block of 128 KiB or more (mallopt(3),
    M_MMAP_THRESHOLD). A loop that receives into large fresh blocks would pay three system calls
    per message for the youth of the process, which few real programs keep for long.
    """
    bytes(LARGE_BLOCK_BYTES)
    return asyncio.Runner(loop_factory=factory(name))


def version(name: str) -> str:
    """The installed version of loop `name`; asyncio's is the interpreter's."""
    if name == "asyncio":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def probe(name: str) -> str | None:
    """Make and close a loop in a fresh process.

    Returns `None` when it works, else the last line of what went wrong.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "loops", name],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"`new_event_loop` did not return within {PROBE_SECONDS} s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


if __name__ == "__main__":
    factory(sys.argv[1])().close()
