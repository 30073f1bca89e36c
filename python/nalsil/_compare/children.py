"""Child processes as the parent sees them: started, asked, and ended with all that they started."""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from nalsil._compare import machine
from nalsil._compare.child import STACKS
from nalsil._compare.failures import frame_in, where_in
from nalsil._compare.protocol import Channel, Closed, Message
from nalsil._compare.target import Target

TICK = 0.1
"""Seconds between two looks at a child that says nothing."""

KEPT_OUTPUT = 8192
"""How many bytes of what a child wrote last are kept."""

GRACE = 1.0
"""Seconds that children have to end by themselves."""

MARK = "NALSIL_COMPARE"
"""The variable of the environment by which the processes of one run are found."""

Tick = Callable[[], None]


class ChildEnded(Exception):
    """A child has ended, or does not speak any more; the text says how."""


class ChildTimedOut(Exception):
    """A child has not answered in time.

    Attributes:
        where: the line of the work that it was at.
        function: the function around that line.
    """

    def __init__(self, where: str | None, function: str | None) -> None:
        super().__init__(where, function)
        self.where, self.function = where, function

    def place(self) -> str:
        """Where it was, for a person."""
        return "" if self.where is None else f", in `{self.function}` ({self.where})"


class Children:
    """All child processes of one run."""

    def __init__(self, target: Target, tick: Tick) -> None:
        self._target, self._tick = target, tick
        self._mark = f"{MARK}={secrets.token_hex(8)}"
        self._environment = self._make_environment()
        self._alive: list[Child] = []

    def _make_environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        # Equal hashes, so that equal sets have one order in every form.
        environment.setdefault("PYTHONHASHSEED", "0")
        name, _, value = self._mark.partition("=")
        environment[name] = value
        if self._target.folder is not None:
            # Workers that a form starts anew have to find the file of the work.
            paths = [self._target.folder, environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        return environment

    def start(self) -> Child:
        """Start a child process."""
        child = Child(self._environment, self._target.path, self._tick)
        self._alive.append(child)
        return child

    def discard(self, child: Child) -> None:
        """Kill a child and all that it has started."""
        child.kill()
        self._alive.remove(child)

    def end(self, grace: float = GRACE) -> None:
        """Let the children end, and kill what is left of them after `grace` seconds."""
        for child in self._alive:
            child.let_end()
        deadline = time.monotonic() + grace
        while not all(child.has_ended() for child in self._alive) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.kill()

    def kill(self) -> None:
        """Kill all children and whatever else bears the mark of this run."""
        for child in self._alive:
            child.kill()
        self._alive.clear()
        deadline = time.monotonic() + GRACE
        while (left := machine.marked(self._mark)) and time.monotonic() < deadline:
            for process in left:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.01)


class Child:
    """One child process, in a session of its own."""

    def __init__(self, environment: dict[str, str], path: str | None, tick: Tick) -> None:
        self._path, self._tick = path, tick
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "nalsil._compare.child",
                    str(theirs.fileno()),
                    str(lifeline),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
            )
        os.close(lifeline)
        self._channel = Channel(ours)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._tail = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._selector.register(self._output, selectors.EVENT_READ)

    def ask(self, request: Message, limit: float) -> Message:
        """Send a request and return the answer.

        Raises:
            ChildEnded: if none will come.
            ChildTimedOut: if none has come after `limit` seconds.
        """
        self._tail = b""
        try:
            self._channel.send(request)
            return self._wait(time.monotonic() + limit)
        except Closed:
            raise ChildEnded(self._how_it_ended()) from None

    def _wait(self, deadline: float) -> Message:
        while (message := self._channel.take()) is None:
            if time.monotonic() >= deadline:
                raise ChildTimedOut(*self._where())
            if not self._take_events(min(TICK, deadline - time.monotonic())) and self.has_ended():
                raise Closed
            self._tick()
        return message

    def _take_events(self, timeout: float) -> bool:
        """Take in what the child has said and written; whether it has said anything."""
        said = False
        for key, _ in self._selector.select(max(0.0, timeout)):
            if key.fileobj is self._channel:
                self._channel.fill()
                said = True
            else:
                self._read_output()
        return said

    def _read_output(self) -> None:
        try:
            data = os.read(self._output.fileno(), 1 << 16)
        except OSError:
            return
        if not data:
            self._selector.unregister(self._output)
        self._tail = (self._tail + data)[-KEPT_OUTPUT:]

    def _where(self) -> tuple[str | None, str | None]:
        """Ask the child, by a signal, for the line that it is at."""
        self._tail = b""
        self._send(STACKS)
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            with contextlib.suppress(Closed):
                self._take_events(0.05)
            if (frame := frame_in(self.tail(), self._path)) is not None:
                return frame
        return None, None

    def tail(self) -> str:
        """Return what the child wrote last."""
        return self._tail.decode(errors="replace")

    def _how_it_ended(self) -> str:
        """Say how, once it is known; what is still in the pipe is taken in."""
        deadline = time.monotonic() + GRACE
        while not self.has_ended() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._read_output()
        status = self._status()
        if status is None:
            return "the process closed its connection"
        if status.si_code == os.CLD_EXITED:
            return f"the process exited with status {status.si_status}"
        try:
            name = signal.Signals(status.si_status).name
        except ValueError:
            name = f"signal {status.si_status}"
        return f"the process was killed by {name}"

    def where_it_ended(self) -> str | None:
        """Return the line of the work that the last traceback in the output names."""
        return where_in(self.tail(), self._path)

    def has_ended(self) -> bool:
        """Whether the process is over; its number stays ours until it is killed as a group."""
        return self._process.returncode is not None or self._status() is not None

    def _status(self) -> Any:
        if self._process.returncode is not None:
            return None
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    def _kill_group(self) -> None:
        """Kill the group; what tidies up after multiprocessing gets a moment to do so."""
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and (left := machine.group(self._process.pid)):
            self._send(signal.SIGKILL, left)
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, number: signal.Signals, members: Iterable[int] | None = None) -> None:
        """Send a signal to the group, but not to what tidies up after multiprocessing."""
        for process in machine.group(self._process.pid) if members is None else members:
            if not machine.is_tracker(process):
                with contextlib.suppress(OSError):
                    os.kill(process, number)

    def let_end(self) -> None:
        """Tell the child that there is no more to do."""
        self._channel.close()

    def kill(self) -> None:
        """Kill the process group, and let go of everything."""
        if self._process.returncode is None:
            self._kill_group()
            self._process.wait()
        self._selector.close()
        self._channel.close()
        self._output.close()
        with contextlib.suppress(OSError):
            os.close(self._lifeline)
            self._lifeline = -1
