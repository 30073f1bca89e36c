"""A child process: loads the work, and measures it when the parent says so.

Run as `python -m nalsil._compare.child CHANNEL LIFELINE`, the descriptors of a socket to the
parent and of a pipe whose other end the parent holds as long as it lives.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import signal
import socket
import sys
from concurrent.futures import BrokenExecutor
from functools import partial
from importlib import import_module

from nalsil._compare import machine
from nalsil._compare.failures import Failure, failure_of
from nalsil._compare.forms import Form, Measure, measure_of
from nalsil._compare.protocol import Channel, Closed, Message
from nalsil._compare.target import Target
from nalsil._compare.usage import UsageError
from nalsil._compare.work import FixtureFailed, Order, Stray, Unpicklable, Work

STACKS = signal.SIGUSR1
"""The signal on which a child writes where it is to its standard error, before it is killed."""


def main() -> None:
    """Answer the parent until it has no more to ask."""
    channel_fd, lifeline_fd = map(int, sys.argv[1:])
    end_with_parent(lifeline_fd)
    os.set_inheritable(channel_fd, False)
    channel = Channel(socket.socket(fileno=channel_fd))
    os.register_at_fork(after_in_child=partial(_leave, channel, lifeline_fd))
    faulthandler.enable()
    faulthandler.register(STACKS, all_threads=True)
    with contextlib.suppress(Closed):
        _answer(channel)


def end_with_parent(lifeline: int) -> None:
    """Have the kernel kill the whole process group when the parent's end of a pipe closes.

    That needs no thread, which the work could see, and works while the work keeps us from running.
    """
    os.set_inheritable(lifeline, False)
    with contextlib.suppress(OSError):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)


def _leave(channel: Channel, lifeline: int) -> None:
    """Let go, in a fork, of what belongs to the process that was forked."""
    channel.close()
    with contextlib.suppress(OSError):
        os.close(lifeline)


def _answer(channel: Channel) -> None:
    request = channel.receive()
    target = Target(request["module"], request["path"], tuple(request["functions"]))
    try:
        work = Work.load(target, request["items"])
        for factory in request["factories"]:
            _check_factory(factory)
    except UsageError as error:
        channel.send({"refused": str(error)})
        return
    channel.send(_describe(work))
    measure: Measure | None = None
    while True:
        request = channel.receive()
        if measure is None:
            measure = measure_of(Form(*request["form"]))
            machine.rss_bytes_at_first()
        channel.send(_measured(measure, work, request))
        # What the work wrote belongs to this measurement, for rows that tell of it.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()


def _check_factory(place: str) -> None:
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:
        raise UsageError(
            f"cannot find the executor `{place}`: {type(error).__name__}: {error}; hint: "
            "--executor NAME=package.module:factory"
        ) from error
    if not callable(found):
        raise UsageError(
            f"`{place}` cannot be called; hint: name a function that returns an executor"
        )


def _describe(work: Work) -> Message:
    return {
        "functions": [
            {"name": f.name, "async": f.is_async, "takes_item": f.takes_item}
            for f in work.functions
        ],
        "items": len(work.items),
    }


def _measured(measure: Measure, work: Work, request: Message) -> Message:
    order = Order.of(request, len(work.items))
    path = work.target.path
    try:
        return {"reading": measure(work, order)}
    except BaseException as error:
        cause = failure_of(error.__cause__ or error, path)
        spoils = isinstance(error, SPOILING)
        return {"failed": _told(error, cause), "error": cause, "spoils": spoils}


SPOILING = (FixtureFailed, Stray, Unpicklable, BrokenExecutor)
"""What tells that the form cannot run the work, rather than not with so many in flight."""


def _told(error: BaseException, cause: Failure) -> str:
    if isinstance(error, FixtureFailed):
        return f"`{error}` raised {cause.type}: {cause.message}"
    if isinstance(error, UsageError | Unpicklable):
        return str(error)
    if isinstance(error, Stray):
        return "the work forks and both processes return; hint: end the child with os._exit()"
    return f"{cause.type}: {cause.message}"


if __name__ == "__main__":
    main()
