"""Servers: listening sockets and the connections that came through them."""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
import weakref
from asyncio import base_events, trsock
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nalsil._event_loop import EventLoop


class Server(base_events.Server):
    """What `create_server` and `create_unix_server` return; an `asyncio.Server`.

    The same on every version of Python: `wait_closed` waits for the connections, and
    `close_clients` and `abort_clients` are there.
    """

    def __init__(
        self,
        loop: EventLoop,
        sockets: list[socket.socket],
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        ssl_context: ssl_module.SSLContext | None,
        backlog: int,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        self._loop = loop
        self._sockets: list[socket.socket] | None = sockets
        self._protocol_factory = protocol_factory
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._ssl_handshake_timeout = ssl_handshake_timeout
        self._ssl_shutdown_timeout = ssl_shutdown_timeout
        self._clients: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._active_count = 0
        self._waiters: list[asyncio.Future[None]] | None = []
        self._serving = False
        self._serving_forever_fut: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    def _attach(self, transport: asyncio.Transport | None = None) -> None:
        """Count a connection. For transports."""
        self._active_count += 1
        if transport is not None:
            self._clients.add(transport)

    def _detach(self, transport: asyncio.Transport | None = None) -> None:
        """Count a connection as gone. For transports."""
        self._active_count -= 1
        if transport is not None:
            self._clients.discard(transport)
        if self._active_count == 0 and self._sockets is None:
            self._wakeup()

    def _wakeup(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _start_serving(self) -> None:
        if self._serving:
            return
        self._serving = True
        for sock in self._sockets or ():
            sock.listen(self._backlog)
            self._loop._start_serving(
                self._protocol_factory,
                sock,
                self._ssl_context,
                self,
                self._backlog,
                self._ssl_handshake_timeout,
                self._ssl_shutdown_timeout,
            )

    def get_loop(self) -> EventLoop:
        """Return the loop that the server runs on."""
        return self._loop

    def is_serving(self) -> bool:
        """Return True if the server takes connections in."""
        return self._serving

    @property
    def sockets(self) -> tuple[trsock.TransportSocket, ...]:  # type: ignore[override]
        """The listening sockets; none once the server is closed."""
        return tuple(trsock.TransportSocket(sock) for sock in self._sockets or ())

    def close(self) -> None:
        """Stop listening. Connections that are there stay, unless serve_forever() runs: it ends,
        and closes them.
        """
        sockets, self._sockets = self._sockets, None
        if sockets is None:
            return
        for sock in sockets:
            self._loop._stop_serving(sock)
        self._serving = False
        waiting, self._serving_forever_fut = self._serving_forever_fut, None
        if waiting is not None and not waiting.done():
            waiting.cancel()
        if self._active_count == 0:
            self._wakeup()

    def close_clients(self) -> None:
        """Close every connection, after sending what is queued."""
        for transport in list(self._clients):
            transport.close()

    def abort_clients(self) -> None:
        """Close every connection now."""
        for transport in list(self._clients):
            transport.abort()

    async def start_serving(self) -> None:
        """Begin to take connections in.

        Raises:
            RuntimeError: if the server is closed.
        """
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._start_serving()
        # One turn, so that connections that wait are seen to before the caller goes on.
        await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """Take connections in until the task is cancelled, then close, with all connections.

        Raises:
            RuntimeError: if this runs already, or the server is closed.
        """
        if self._serving_forever_fut is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._start_serving()
        self._serving_forever_fut = self._loop.create_future()
        try:
            await self._serving_forever_fut
        except asyncio.CancelledError:
            try:
                self.close()
                self.close_clients()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._serving_forever_fut = None

    async def wait_closed(self) -> None:
        """Wait until the server is closed and its last connection gone."""
        if self._waiters is None:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter
