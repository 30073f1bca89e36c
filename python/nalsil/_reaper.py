"""The end of child processes: their exit status, and what no loop waits for any more."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from asyncio.log import logger


def status_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child that has ended, or will, and return its exit status."""
    try:
        _, status = os.waitpid(process.pid, 0)
    except ChildProcessError:
        if process.returncode is not None:
            return int(process.returncode)
        # Somebody else has waited for it, or the system does by itself: SIGCHLD is ignored.
        logger.warning("child process pid %d exit status already read: returning 255", process.pid)
        return 255
    return os.waitstatus_to_exitcode(status)


def reap(children: dict[int, subprocess.Popen[bytes]]) -> None:
    """Wait for children, given by their pidfds, in a thread that ends with the last of them.

    They may run on after their loop, and the program may run on after them: none of them is left
    in the system's table of processes.
    """
    thread = threading.Thread(target=_reap, args=(children,), name="nalsil-reap", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The program ends, or has no room for a thread; the system takes them over with it.
        for pidfd in children:
            os.close(pidfd)


def _reap(children: dict[int, subprocess.Popen[bytes]]) -> None:
    poller = select.poll()
    for pidfd in children:
        poller.register(pidfd, select.POLLIN)
    while children:
        for pidfd, _ in poller.poll():
            poller.unregister(pidfd)
            os.close(pidfd)
            children.pop(pidfd).poll()
