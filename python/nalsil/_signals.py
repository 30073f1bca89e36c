"""Signals: callbacks for them, and the wake-up of a loop that sleeps."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import inspect
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeVarTuple, Unpack

from nalsil import _nalsil

Ts = TypeVarTuple("Ts")


def _caught(_signum: int, _frame: object) -> None:
    """Do nothing: the number went to the wake-up descriptor, and the loop reads it there."""


class Signals(_nalsil.EventLoop):
    """The part of a loop that is told of signals.

    Python's own signal handler writes the number of each signal to a descriptor. The loop reads
    the other end for as long as it runs in the main thread, so a signal ends its sleep even if it
    comes just before the sleep begins.
    """

    _signal_handlers: dict[int, tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]]
    _wakeup_pair: tuple[socket.socket, socket.socket] | None = None
    _owns_wakeup = False

    def __init__(self) -> None:
        super().__init__()
        self._signal_handlers = {}

    def _wakeup_sockets(self) -> tuple[socket.socket, socket.socket]:
        if self._wakeup_pair is None:
            reader, writer = self._wakeup_pair = socket.socketpair()
            reader.setblocking(False)
            writer.setblocking(False)
            self.add_reader(reader, self._read_signals)
        return self._wakeup_pair

    def _listen_to_signals(self) -> None:
        """Called when the loop begins to run."""
        if self._owns_wakeup or threading.current_thread() is not threading.main_thread():
            return
        _, writer = self._wakeup_sockets()
        try:
            before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        except ValueError:
            # Not the main thread of the main interpreter: signals go elsewhere.
            return
        if before == -1:
            self._owns_wakeup = True
        else:
            # Somebody else reads them; signals still interrupt the sleep.
            signal.set_wakeup_fd(before)

    def _ignore_signals(self) -> None:
        """Called when the loop has stopped; handlers keep their descriptor."""
        if self._owns_wakeup and not self._signal_handlers:
            self._release_wakeup()

    def _release_wakeup(self) -> None:
        if self._owns_wakeup:
            self._owns_wakeup = False
            present = signal.set_wakeup_fd(-1)
            if present not in (-1, self._wakeup_sockets()[1].fileno()):
                # Somebody has put another there since.
                signal.set_wakeup_fd(present)

    def _read_signals(self) -> None:
        reader, _ = self._wakeup_sockets()
        while True:
            try:
                numbers = reader.recv(4096)
            except (BlockingIOError, InterruptedError):
                return
            if not numbers:
                return
            for number in numbers:
                self._handle_signal(number)

    def _handle_signal(self, number: int) -> None:
        handler = self._signal_handlers.get(number)
        if handler is not None:
            callback, args, context = handler
            self.call_soon(callback, *args, context=context)

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts
    ) -> None:
        """Call callback(*args) on the loop when signal `sig` comes.

        Raises:
            TypeError: if `callback` is a coroutine or coroutine function.
            ValueError: if there is no such signal.
            RuntimeError: if the signal cannot be caught, or this is not the main thread.
        """
        if asyncio.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self._check_signal(sig)
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        _, writer = self._wakeup_sockets()
        try:
            signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        except (ValueError, OSError) as error:
            raise RuntimeError(str(error)) from error
        self._owns_wakeup = True
        self._signal_handlers[sig] = (callback, args, contextvars.copy_context())
        try:
            signal.signal(sig, _caught)
            # System calls of other libraries go on after the signal instead of failing.
            signal.siginterrupt(sig, False)
        except OSError as error:
            del self._signal_handlers[sig]
            if not self.is_running():
                self._ignore_signals()
            if error.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from error
            raise

    def remove_signal_handler(self, sig: int) -> bool:
        """Give signal `sig` its default meaning again. Return whether there was a handler.

        Raises:
            TypeError, ValueError: if there is no such signal.
            RuntimeError: if the signal cannot be caught.
        """
        self._check_signal(sig)
        if self._signal_handlers.pop(sig, None) is None:
            return False
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        try:
            signal.signal(sig, default)
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from error
            raise
        if not self.is_running():
            self._ignore_signals()
        return True

    def _close_signals(self) -> None:
        if sys.is_finalizing():
            if self._signal_handlers:
                warnings.warn(
                    f"Closing the loop {self!r} on interpreter shutdown stage, "
                    "skipping signal handlers removal",
                    ResourceWarning,
                    source=self,
                    stacklevel=2,
                )
                self._signal_handlers.clear()
        else:
            for sig in list(self._signal_handlers):
                self.remove_signal_handler(sig)
            self._release_wakeup()
        pair, self._wakeup_pair = self._wakeup_pair, None
        if pair is not None:
            reader, writer = pair
            self.remove_reader(reader)
            reader.close()
            writer.close()

    def _check_signal(self, sig: object) -> None:
        if not isinstance(sig, int):
            raise TypeError(f"sig must be an int, not {sig!r}")
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")
