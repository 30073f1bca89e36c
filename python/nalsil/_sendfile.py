"""Files, sent through sockets and transports."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import socket
from asyncio import constants
from collections.abc import AsyncIterator
from typing import Any

from nalsil import _nalsil
from nalsil._names import Names

_Mode: Any = constants._SendfileMode

TO_THE_END = 2**64 - 1
"""More bytes than a file has."""

BLOCK = 256 * 1024
"""Bytes that are read at a time where the system cannot send a file by itself."""


class _FlowControl(asyncio.Protocol):
    """Stands in for a transport's protocol while a file goes out."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._protocol = transport.get_protocol()
        self._reads = transport.is_reading()
        self._limits = transport.get_write_buffer_limits()
        self._room: asyncio.Future[None] | None = None
        self._lost = False

    def __enter__(self) -> _FlowControl:
        self._transport.pause_reading()
        self._transport.set_protocol(self)
        # Paused as soon as anything is queued, so that one block at a time is in memory.
        # TLS transports count a limit of 0 as reached by an empty queue.
        self._transport.set_write_buffer_limits(1, 0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._lost:
            return
        low, high = self._limits
        self._transport.set_protocol(self._protocol)
        self._transport.set_write_buffer_limits(high, low)
        if self._reads:
            self._transport.resume_reading()
        if self._room is not None:
            self._protocol.pause_writing()

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._room is not None and not self._room.done():
            self._room.set_exception(ConnectionError("Connection is closed by peer"))
        self._protocol.connection_lost(exc)

    async def room(self) -> None:
        """Wait until everything that was written is sent."""
        if self._transport.is_closing():
            raise ConnectionError("Connection closed by peer")
        if self._room is not None:
            await self._room


class Sendfile(Names):
    """The part of a loop that sends files."""

    async def sendfile(
        self,
        transport: asyncio.WriteTransport,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file through a transport and return the number of bytes.

        The system sends it by itself where it can. Nothing else can be written meanwhile.

        Args:
            offset: where to begin in the file, in bytes.
            count: how many bytes to send; None for all.
            fallback: read the file and write it where the system cannot send it: over TLS, and
                what is no file of the system.

        Raises:
            RuntimeError: if the transport is closing or of another kind, or cannot send files and
                `fallback` is False.
            asyncio.SendfileNotAvailableError: if the system cannot send this file and `fallback`
                is False.
        """
        if transport.is_closing():
            raise RuntimeError("Transport is closing")
        mode = getattr(transport, "_sendfile_compatible", _Mode.UNSUPPORTED)
        if mode is _Mode.UNSUPPORTED:
            raise RuntimeError(f"sendfile is not supported for transport {transport!r}")
        _check_range(offset, count)
        if mode is _Mode.TRY_NATIVE:
            try:
                return await self._sendfile_native(transport, file, offset, count)
            except asyncio.SendfileNotAvailableError:
                if not fallback:
                    raise
        if not fallback:
            raise RuntimeError(
                "fallback is disabled and native sendfile is not supported "
                f"for transport {transport!r}"
            )
        return await self._sendfile_fallback(transport, file, offset, count)

    async def _sendfile_native(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        """Let the system send a file through a transport.

        Raises:
            asyncio.SendfileNotAvailableError: if it cannot; nothing is sent then.
        """
        if not isinstance(transport, _nalsil.StreamTransport):
            raise asyncio.SendfileNotAvailableError("the transport cannot send files")
        source = _descriptor_of(file)
        reads = transport.is_reading()
        done = transport._send_file(source, offset, _length_of(count))
        # Nobody reads meanwhile, as in asyncio: a protocol that answers could not write.
        transport.pause_reading()
        sent, ended = 0, False
        try:
            try:
                await done
                ended = True
            finally:
                sent = transport._end_send_file()
        except OSError as error:
            meaning = _meaning_of(error, sent)
            if meaning is error:
                raise
            raise meaning from error
        finally:
            if ended or sent:
                _leave_at(file, offset + sent)
            if reads:
                transport.resume_reading()
        return sent

    async def _sendfile_fallback(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        sent = 0
        try:
            with _FlowControl(transport, self) as flow:
                await flow.room()
                async for block in self._blocks(file, offset, count):
                    transport.write(block)
                    sent += len(block)
                    await flow.room()
        finally:
            _leave_at(file, offset + sent)
        return sent

    async def sock_sendfile(
        self,
        sock: socket.socket,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool | None = True,
    ) -> int:
        """Send a file through a socket, by the system call if it can, and return the bytes sent.

        Args:
            offset: where to begin in the file, in bytes.
            count: how many bytes to send; None for all.
            fallback: read the file and write it where the system call does not serve.

        Raises:
            asyncio.SendfileNotAvailableError: if the system call does not serve and `fallback` is
                False.
        """
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        if sock.type != socket.SOCK_STREAM:
            raise ValueError("only SOCK_STREAM type sockets are supported")
        _check_range(offset, count)
        if "b" not in getattr(file, "mode", "b"):
            raise ValueError("file should be opened in binary mode")
        try:
            return await self._sock_sendfile_native(sock, file, offset, count)
        except asyncio.SendfileNotAvailableError:
            if not fallback:
                raise
        sent = 0
        try:
            async for block in self._blocks(file, offset, count):
                await self.sock_sendall(sock, block)
                sent += len(block)
        finally:
            _leave_at(file, offset + sent)
        return sent

    async def _sock_sendfile_native(
        self, sock: socket.socket, file: Any, offset: int, count: int | None
    ) -> int:
        source = _descriptor_of(file)
        operation = self._sock_sendfile(sock, source, offset, _length_of(count))
        ended = False
        try:
            await operation
            ended = True
        except OSError as error:
            meaning = _meaning_of(error, operation.sent)
            if meaning is error:
                raise
            raise meaning from error
        finally:
            if ended or operation.sent:
                _leave_at(file, offset + operation.sent)
        return operation.sent

    async def _blocks(self, file: Any, offset: int, count: int | None) -> AsyncIterator[bytes]:
        # A pipe has no position, and is read from where it is.
        if offset or _has_position(file):
            file.seek(offset)
        while count is None or count > 0:
            size = BLOCK if count is None else min(count, BLOCK)
            block = await self.run_in_executor(None, file.read, size)
            if not block:
                return
            if count is not None:
                count -= len(block)
            yield block


def _check_range(offset: int, count: int | None) -> None:
    if count is not None:
        if not isinstance(count, int):
            raise TypeError(f"count must be a positive integer (got {count!r})")
        if count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
    if not isinstance(offset, int):
        raise TypeError(f"offset must be a non-negative integer (got {offset!r})")
    if offset < 0:
        raise ValueError(f"offset must be a non-negative integer (got {offset!r})")


def _length_of(count: int | None) -> int:
    return TO_THE_END if count is None else min(count, TO_THE_END)


def _has_position(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    return hasattr(file, "seek") if seekable is None else bool(seekable())


def _leave_at(file: Any, position: int) -> None:
    """Put the file's position behind what was sent, if it has one."""
    if _has_position(file):
        file.seek(position)


def _descriptor_of(file: Any) -> int:
    """Return the descriptor that the system may send from.

    Raises:
        asyncio.SendfileNotAvailableError: if there is none.
    """
    try:
        descriptor = int(file.fileno())
        os.fstat(descriptor)
    except (AttributeError, OSError, io.UnsupportedOperation):
        raise asyncio.SendfileNotAvailableError("not a regular file") from None
    return descriptor


def _meaning_of(error: OSError, sent: int) -> Exception:
    """Return what an error of the system call means to who sends a file."""
    if isinstance(error, ConnectionError):
        return error
    if sent == 0:
        return asyncio.SendfileNotAvailableError("os.sendfile call failed")
    if error.errno == errno.ENOTCONN:
        return ConnectionError(errno.ENOTCONN, "socket is not connected")
    return error
