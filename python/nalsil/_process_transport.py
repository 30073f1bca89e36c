"""The transport of a child process: what passes between it, its pipes and its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import warnings
from asyncio.base_subprocess import BaseSubprocessTransport
from asyncio.log import logger
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from nalsil import _child

if TYPE_CHECKING:
    from nalsil._processes import Processes


_WAKES_AT_EXIT = "_exit_waiters" in BaseSubprocessTransport._process_exited.__code__.co_names
"""Whether this Python's `Process.wait()` returns when the child has ended, even if a grandchild
holds one of its pipes open; older ones wait for the end of the pipes too."""


class _Pipe(asyncio.Protocol):
    """The parent's end of one of the child's pipes, as the protocol of its transport."""

    pipe: Any = None
    disconnected = False

    def __init__(self, process: SubprocessTransport, fd: int) -> None:
        self.process: SubprocessTransport | None = process
        self.fd = fd

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fd={self.fd} pipe={self.pipe!r}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.pipe = transport

    def data_received(self, data: bytes) -> None:
        if self.process is not None:
            self.process._pipe_data_received(self.fd, data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.disconnected = True
        process, self.process = self.process, None
        if process is not None:
            process._pipe_connection_lost(self.fd, exc)

    def pause_writing(self) -> None:
        if self.process is not None:
            self.process._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self.process is not None:
            self.process._protocol.resume_writing()


class SubprocessTransport(asyncio.SubprocessTransport):
    """A child process on nalsil's loop."""

    def __init__(
        self,
        loop: Processes,
        protocol: Any,
        process: subprocess.Popen[bytes],
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(extra)
        self._extra["subprocess"] = process  # type: ignore[attr-defined]
        self._loop: Any = loop
        self._protocol: Any = protocol
        self._proc: Any = process
        self._pid: int | None = None
        self._returncode: int | None = None
        self._closed = False
        self._finished = False
        self._starting: tuple[int, asyncio.Future[None]] | None = None
        self._start_error: OSError | None = None
        self._exit_waiters: set[asyncio.Future[int | None]] = set()
        # What is to be told when the protocol knows of its child.
        self._pending_calls: list[tuple[Any, ...]] | None = []
        streams = (process.stdin, process.stdout, process.stderr)
        self._pipes: dict[int, _Pipe | None] = {
            fd: None for fd, stream in enumerate(streams) if stream is not None
        }

    def __repr__(self) -> str:
        info = [type(self).__name__]
        if self._closed:
            info.append("closed")
        if self._pid is not None:
            info.append(f"pid={self._pid}")
        if self._returncode is not None:
            info.append(f"returncode={self._returncode}")
        else:
            info.append("not started" if self._pid is None else "running")
        for fd, name in enumerate(("stdin", "stdout", "stderr")):
            pipe = self._pipes.get(fd)
            if pipe is not None:
                info.append(f"{name}={pipe.pipe}")
        return f"<{' '.join(info)}>"

    def __del__(self, _warn: Callable[..., object] = warnings.warn) -> None:
        if not self._closed:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self.close()

    # The start

    async def _start(self) -> None:
        """Wait until the child runs.

        Raises:
            OSError: as `subprocess.Popen` does.
        """
        process, plan = self._proc, getattr(self._proc, "plan", None)
        if plan is None:
            self._runs(process.pid, _pidfd_of(process.pid))
            return
        number = self._loop._start_child(_child.spawner, plan, self._started)
        self._starting = number, self._loop.create_future()
        try:
            await self._starting[1]
        except asyncio.CancelledError:
            if self._starting is not None:
                # A child that there is already is killed, and its end is waited for, which is
                # near. Who cannot wait cancels again, and a thread sees to the rest.
                self._loop._abandon_child(number)
                self._starting = number, self._loop.create_future()
                await self._starting[1]
            raise
        if self._start_error is not None:
            try:
                raise self._start_error
            finally:
                self._start_error = None

    def _started(self, pid: int, pidfd: int, number: int, step: str) -> None:
        """Called by the loop when the start is over."""
        try:
            self._proc.started(pid, number, step)
        except OSError as error:
            self._start_error = error
        if pid:
            self._runs(pid, pidfd)
            if self._closed:
                # Nobody waits any more.
                self._proc.kill()
        starting, self._starting = self._starting, None
        if starting is not None and not starting[1].done():
            starting[1].set_result(None)

    def _runs(self, pid: int, pidfd: int) -> None:
        self._pid = pid
        self._loop._watch_child(self, pidfd)
        if self._loop.get_debug():
            logger.debug("process %r created: pid %s", self._proc.args, pid)

    async def _connect_pipes(self) -> None:
        """Connect the pipes, then tell the protocol of its child."""
        loop, process = self._loop, self._proc
        streams = (process.stdin, process.stdout, process.stderr)
        for fd in self._pipes:
            connect = loop.connect_read_pipe if fd else loop.connect_write_pipe
            _, pipe = await connect(partial(_Pipe, self, fd), streams[fd])
            self._pipes[fd] = pipe
        pending, self._pending_calls = self._pending_calls, None
        loop.call_soon(self._protocol.connection_made, self)
        for call in pending or ():
            loop.call_soon(*call)
        # What has been asked for runs first.
        await asyncio.sleep(0)

    async def _open(self) -> None:
        """Start the child and connect its pipes. If that fails, no child is left."""
        try:
            await self._start()
            await self._connect_pipes()
        except BaseException as error:
            self._give_up()
            if self._pid is not None and not isinstance(
                error, (GeneratorExit, KeyboardInterrupt, SystemExit)
            ):
                await self._wait()
            raise

    def _give_up(self) -> None:
        process = self._proc
        self.close()
        if self._starting is not None:
            # Thrown away with the loop, or cancelled twice.
            number, _ = self._starting
            self._loop._abandon_child(number)
        if process is None:
            return
        if isinstance(process, _child.Popen):
            process.release()
        for fd, stream in enumerate((process.stdin, process.stdout, process.stderr)):
            if fd in self._pipes and self._pipes[fd] is None:
                # It never was connected, and nobody waits for its end.
                del self._pipes[fd]
                stream.close()

    # What happens to the child and its pipes

    def _call(self, *call: Any) -> None:
        if self._pending_calls is not None:
            self._pending_calls.append(call)
        else:
            self._loop.call_soon(*call)

    def _pipe_data_received(self, fd: int, data: bytes) -> None:
        self._call(self._protocol.pipe_data_received, fd, data)

    def _pipe_connection_lost(self, fd: int, exc: BaseException | None) -> None:
        self._call(self._protocol.pipe_connection_lost, fd, exc)
        self._finish_if_over()

    def _process_exited(self, returncode: int) -> None:
        """Called by the loop when the child has ended and was waited for."""
        if self._loop.get_debug():
            logger.info("%r exited with return code %r", self, returncode)
        self._returncode = returncode
        if self._proc.returncode is None:
            self._proc.returncode = returncode
        self._call(self._protocol.process_exited)
        # A child whose pipes could not be connected is waited for as well, by its start.
        if _WAKES_AT_EXIT or self._pending_calls is not None:
            self._wake_waiters()
        self._finish_if_over()

    def _wake_waiters(self) -> None:
        waiters, self._exit_waiters = self._exit_waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(self._returncode)

    def _finish_if_over(self) -> None:
        if self._finished or self._returncode is None:
            return
        if all(pipe is not None and pipe.disconnected for pipe in self._pipes.values()):
            self._finished = True
            self._call(self._connection_lost)

    def _connection_lost(self) -> None:
        try:
            self._protocol.connection_lost(None)
        finally:
            self._wake_waiters()
            self._loop = self._proc = self._protocol = None

    async def _wait(self) -> int:
        """Wait until the child ends, and return its exit status."""
        if self._returncode is not None:
            return self._returncode
        waiter = self._loop.create_future()
        self._exit_waiters.add(waiter)
        try:
            returncode: int = await waiter
            return returncode
        finally:
            self._exit_waiters.discard(waiter)

    # asyncio's interface

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        """Return whether close() was called."""
        return self._closed

    def get_pid(self) -> int | None:  # type: ignore[override]
        """Return the process id."""
        return self._pid

    def get_returncode(self) -> int | None:
        """Return the exit status, or None while the child runs."""
        return self._returncode

    def get_pipe_transport(self, fd: int) -> asyncio.BaseTransport | None:
        """Return the transport of the child's descriptor 0, 1 or 2, if that is a pipe."""
        pipe = self._pipes.get(fd)
        transport: asyncio.BaseTransport | None = None if pipe is None else pipe.pipe
        return transport

    def send_signal(self, signal: int) -> None:
        """Send a signal to the child.

        Raises:
            ProcessLookupError: if the child has ended, and its protocol knows.
        """
        if self._proc is None:
            raise ProcessLookupError()
        # Once somebody has waited for the child, its number may be another one's.
        if self._returncode is None and self._proc.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._proc.pid, signal)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes, and kill the child if it runs."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            for pipe in self._pipes.values():
                if pipe is not None:
                    pipe.pipe.close()
        if self._proc is None or self._pid is None or self._returncode is not None:
            return
        if self._proc.poll() is None:
            if self._loop.get_debug():
                logger.warning("Close running child process: kill %r", self)
            # It may have just ended, or run with the rights of another user.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                self._proc.kill()


def _pidfd_of(pid: int) -> int:
    """Return a pidfd of a child, or -1."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        # An old kernel, or a sandbox.
        return -1
