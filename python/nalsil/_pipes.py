"""Pipes: reading and writing ends of whatever the system can be asked about."""

from __future__ import annotations

import asyncio
from asyncio.log import logger
from collections.abc import Callable
from typing import Any, TypeVar

from nalsil._names import Names

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Pipes(Names):
    """The part of a loop that talks to pipes."""

    async def connect_read_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.ReadTransport, P]:
        """Read from a pipe, socket or character device; return (transport, protocol).

        The transport owns the pipe from now on, and closes it.

        Raises:
            ValueError: if the pipe is a regular file or a directory; it is left open.
        """
        protocol = protocol_factory()
        waiter = self.create_future()
        transport = self._make_read_pipe_transport(pipe, protocol, waiter)
        await _started(transport, waiter)
        if self.get_debug():
            logger.debug("Read pipe %r connected: (%r, %r)", pipe.fileno(), transport, protocol)
        return transport, protocol

    async def connect_write_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.WriteTransport, P]:
        """Write to a pipe, socket or character device; return (transport, protocol).

        The transport owns the pipe from now on, and closes it.

        Raises:
            ValueError: if the pipe is a regular file or a directory; it is left open.
        """
        protocol = protocol_factory()
        waiter = self.create_future()
        transport = self._make_write_pipe_transport(pipe, protocol, waiter)
        await _started(transport, waiter)
        if self.get_debug():
            logger.debug("Write pipe %r connected: (%r, %r)", pipe.fileno(), transport, protocol)
        return transport, protocol


async def _started(transport: asyncio.BaseTransport, waiter: asyncio.Future[None]) -> None:
    try:
        await waiter
    except BaseException:
        transport.close()
        raise
