"""Datagram endpoints."""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio.log import logger
from collections.abc import Callable
from typing import Any, TypeVar

from nalsil._connect import is_socket_file
from nalsil._names import AddressInfo, Names

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Datagrams(Names):
    """The part of a loop that sends and receives datagrams."""

    async def create_datagram_endpoint(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], P],
        local_addr: Any = None,
        remote_addr: Any = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
        sock: socket.socket | None = None,
    ) -> tuple[asyncio.DatagramTransport, P]:
        """Make a datagram socket and return (transport, protocol).

        Raises:
            OSError: if no address fits, or it cannot be bound or connected to.
            ValueError: if the arguments contradict one another.
        """
        shared = sock is not None
        if sock is not None:
            if sock.type == socket.SOCK_STREAM:
                raise ValueError(f"A datagram socket was expected, got {sock!r}")
            given = {
                "local_addr": local_addr,
                "remote_addr": remote_addr,
                "family": family,
                "proto": proto,
                "flags": flags,
                "reuse_port": reuse_port,
                "allow_broadcast": allow_broadcast,
            }
            named = ", ".join(f"{name}={value}" for name, value in given.items() if value)
            if named:
                raise ValueError(
                    "socket modifier keyword arguments can not be used when sock is specified. "
                    f"({named})"
                )
            sock.setblocking(False)
            address = None
        else:
            sock, address = await self._datagram_socket(
                local_addr, remote_addr, family, proto, flags, reuse_port, allow_broadcast
            )
        transport: Any = None
        try:
            protocol = protocol_factory()
            waiter = self.create_future()
            transport = self._make_datagram_transport(
                sock, protocol, address, waiter, shared=shared
            )
            await waiter
        except BaseException:
            (sock if transport is None else transport).close()
            raise
        if self.get_debug():
            addresses = f"local_addr={local_addr!r} remote_addr={remote_addr!r}"
            logger.debug("Datagram endpoint %s created: (%r, %r)", addresses, transport, protocol)
        return transport, protocol

    async def _datagram_socket(
        self,
        local_addr: Any,
        remote_addr: Any,
        family: int,
        proto: int,
        flags: int,
        reuse_port: bool | None,
        allow_broadcast: bool | None,
    ) -> tuple[socket.socket, Any]:
        pairs = await self._datagram_pairs(local_addr, remote_addr, family, proto, flags)
        errors: list[OSError] = []
        for (pair_family, pair_proto), (local, remote) in pairs.items():
            sock = socket.socket(pair_family, socket.SOCK_DGRAM, pair_proto)
            try:
                if reuse_port:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if allow_broadcast:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.setblocking(False)
                if local is not None:
                    sock.bind(local)
                if remote is not None and not allow_broadcast:
                    await self.sock_connect(sock, remote)
            except OSError as error:
                sock.close()
                errors.append(error)
            except BaseException:
                sock.close()
                raise
            else:
                return sock, remote
        raise errors[0]

    async def _datagram_pairs(
        self, local_addr: Any, remote_addr: Any, family: int, proto: int, flags: int
    ) -> dict[tuple[int, int], tuple[Any, Any]]:
        """Local and remote address for each family and protocol that has what was asked for."""
        if local_addr is None and remote_addr is None:
            if family == 0:
                raise ValueError("unexpected address family")
            return {(family, proto): (None, None)}
        if family == getattr(socket, "AF_UNIX", None):
            for address in (local_addr, remote_addr):
                if address is not None and not isinstance(address, (str, bytes, os.PathLike)):
                    raise TypeError("string is expected")
            if local_addr and local_addr[0] not in (0, "\x00") and is_socket_file(local_addr):
                os.remove(local_addr)
            return {(family, proto): (local_addr, remote_addr)}
        found: dict[tuple[int, int], list[Any]] = {}
        for index, address in enumerate((local_addr, remote_addr)):
            if address is None:
                continue
            if not (isinstance(address, tuple) and len(address) == 2):
                raise TypeError("2-tuple is expected")
            infos: list[AddressInfo] = await self._resolve(
                address, family=family, type=socket.SOCK_DGRAM, proto=proto, flags=flags
            )
            for info in infos:
                found.setdefault((info[0], info[2]), [None, None])[index] = info[4]
        wanted = (local_addr is not None, remote_addr is not None)
        pairs = {
            key: (local, remote)
            for key, (local, remote) in found.items()
            if (local is not None, remote is not None) == wanted
        }
        if not pairs:
            raise ValueError("can not get address information")
        return pairs
