"""Pipes: reading and writing ends of whatever the system can be asked about."""

from __future__ import annotations

import asyncio
from asyncio import unix_events
from collections.abc import Callable
from typing import Any, TypeVar

from nalsil._names import Names

P = TypeVar("P", bound=asyncio.BaseProtocol)


class ReadPipeTransport(unix_events._UnixReadPipeTransport):  # type: ignore[name-defined,misc]
    """The reading end of a pipe on nalsil's loop."""


class WritePipeTransport(unix_events._UnixWritePipeTransport):  # type: ignore[name-defined,misc]
    """The writing end of a pipe on nalsil's loop."""


class Pipes(Names):
    """The part of a loop that talks to pipes."""

    async def connect_read_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.ReadTransport, P]:
        """Read from a pipe, socket or character device; return (transport, protocol)."""
        return await self._connect_pipe(ReadPipeTransport, protocol_factory, pipe)

    async def connect_write_pipe(
        self, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[asyncio.WriteTransport, P]:
        """Write to a pipe, socket or character device; return (transport, protocol)."""
        return await self._connect_pipe(WritePipeTransport, protocol_factory, pipe)

    async def _connect_pipe(
        self, transport_type: Any, protocol_factory: Callable[[], P], pipe: Any
    ) -> tuple[Any, P]:
        protocol = protocol_factory()
        waiter = self.create_future()
        transport = transport_type(self, pipe, protocol, waiter)
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol
