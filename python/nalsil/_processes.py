"""Child processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from nalsil._child import popen
from nalsil._names import Names
from nalsil._process_transport import SubprocessTransport
from nalsil._reaper import reap, status_of
from nalsil._watcher import greedy_watcher

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Processes(Names):
    """The part of a loop that runs child processes."""

    def __init__(self) -> None:
        super().__init__()
        # The children that run, by pidfd.
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    async def subprocess_shell(
        self,
        protocol_factory: Callable[[], P],
        cmd: Any,
        *,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        universal_newlines: bool = False,
        shell: bool = True,
        bufsize: int = 0,
        encoding: None = None,
        errors: None = None,
        text: bool | None = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, P]:
        """Run a shell command as a child process; return (transport, protocol)."""
        if not isinstance(cmd, (bytes, str)):
            raise ValueError("cmd must be a string")
        if not shell:
            raise ValueError("shell must be True")
        _check_binary(universal_newlines, bufsize, encoding, errors, text)
        return await self._spawn(
            protocol_factory, cmd, True, stdin, stdout, stderr, bufsize, kwargs
        )

    async def subprocess_exec(
        self,
        protocol_factory: Callable[[], P],
        program: Any,
        *args: Any,
        stdin: Any = subprocess.PIPE,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        universal_newlines: bool = False,
        shell: bool = False,
        bufsize: int = 0,
        encoding: None = None,
        errors: None = None,
        text: bool | None = None,
        **kwargs: Any,
    ) -> tuple[asyncio.SubprocessTransport, P]:
        """Run a program as a child process; return (transport, protocol)."""
        if shell:
            raise ValueError("shell must be False")
        _check_binary(universal_newlines, bufsize, encoding, errors, text)
        command = (program, *args)
        return await self._spawn(
            protocol_factory, command, False, stdin, stdout, stderr, bufsize, kwargs
        )

    async def _spawn(
        self,
        protocol_factory: Callable[[], P],
        command: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        kwargs: dict[str, Any],
    ) -> tuple[Any, P]:
        protocol = protocol_factory()
        extra = kwargs.pop("extra", None)
        # Whoever waits for every child keeps what it meets until it is told of this one.
        with greedy_watcher() or contextlib.nullcontext():
            process = popen(
                command,
                shell=shell,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                universal_newlines=False,
                bufsize=bufsize,
                **kwargs,
            )
            transport = SubprocessTransport(self, protocol, process, extra)
            await transport._open()
        return transport, protocol

    def _watch_child(self, transport: SubprocessTransport, pidfd: int) -> None:
        """Tell the transport when its child has ended. The descriptor becomes the loop's."""
        process: subprocess.Popen[bytes] = transport._proc
        if watcher := greedy_watcher():
            if pidfd >= 0:
                os.close(pidfd)
            with watcher:
                watcher.add_child_handler(process.pid, self._tell_end, transport)
            return
        if pidfd < 0:
            # An old kernel, or a sandbox: a thread waits instead.
            waiting = threading.Thread(
                target=self._wait_for_child,
                args=(transport, process),
                name=f"nalsil-wait-{process.pid}",
                daemon=True,
            )
            waiting.start()
            return

        def ended() -> None:
            self._remove_reader(pidfd)
            del self._children[pidfd]
            os.close(pidfd)
            transport._process_exited(status_of(process))

        self._children[pidfd] = process
        self._add_reader(pidfd, ended)

    def _wait_for_child(
        self, transport: SubprocessTransport, process: subprocess.Popen[bytes]
    ) -> None:
        self._tell_end(process.pid, status_of(process), transport)

    def _tell_end(self, _pid: int, status: int, transport: SubprocessTransport) -> None:
        if not self.is_closed():
            self.call_soon_threadsafe(transport._process_exited, status)

    def _leave_children(self) -> None:
        """Let a thread wait for the children of a closed loop."""
        children, self._children = self._children, {}
        if children:
            reap(children)


def _check_binary(
    universal_newlines: bool, bufsize: int, encoding: Any, errors: Any, text: Any
) -> None:
    if universal_newlines:
        raise ValueError("universal_newlines must be False")
    if bufsize != 0:
        raise ValueError("bufsize must be 0")
    if text:
        raise ValueError("text must be False")
    if encoding is not None:
        raise ValueError("encoding must be None")
    if errors is not None:
        raise ValueError("errors must be None")
