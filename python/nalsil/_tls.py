"""TLS: what is checked and chosen before the native transport takes over."""

from __future__ import annotations

import asyncio
from asyncio import constants, sslproto
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from nalsil._nalsil import SSLTransport, StreamTransport

try:
    import ssl as _ssl
except ImportError:  # Python can be built without TLS
    _ssl = None  # type: ignore[assignment]

NATIVE = (StreamTransport, SSLTransport)
"""The transports that carry the native TLS."""

# The annotations that are known of it are older than its arguments.
_StockProtocol: Any = sslproto.SSLProtocol

Started = tuple[asyncio.Transport, Sequence[asyncio.Handle]]
"""A transport that makes its handshake, and what is scheduled for it."""


class Make(Protocol):
    """Makes the TLS transport of one connection."""

    def __call__(
        self, protocol: asyncio.BaseProtocol, waiter: asyncio.Future[Any] | None = None, /
    ) -> SSLTransport: ...


def tls_maker(
    loop: Any,
    context: Any,
    server_side: bool,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
    made: bool = False,
) -> Make:
    """Check the arguments of TLS once, and return what makes the transport of each connection.

    Args:
        context: an `ssl.SSLContext`, or what acts like one; None for the default of a client.
        handshake_timeout, shutdown_timeout: seconds; None for asyncio's defaults.
        made: whether the protocols know of their connections already.

    Raises:
        ValueError: if a timeout is not positive, or a server has no context.
    """
    handshake = _positive("ssl_handshake_timeout", handshake_timeout)
    shutdown = _positive("ssl_shutdown_timeout", shutdown_timeout)
    if not context:
        context = _default_context(server_side, server_hostname)
    hostname = None if server_side else server_hostname or None
    make: Callable[..., SSLTransport] = loop._make_tls_transport

    def make_transport(
        protocol: asyncio.BaseProtocol, waiter: asyncio.Future[Any] | None = None, /
    ) -> SSLTransport:
        return make(
            protocol,
            context,
            waiter,
            handshake_timeout=constants.SSL_HANDSHAKE_TIMEOUT if handshake is None else handshake,
            shutdown_timeout=constants.SSL_SHUTDOWN_TIMEOUT if shutdown is None else shutdown,
            server_side=server_side,
            server_hostname=hostname,
            made=made,
        )

    return make_transport


def _positive(name: str, seconds: float | None) -> float | None:
    if seconds is not None and seconds <= 0:
        raise ValueError(f"{name} should be a positive number, got {seconds}")
    return seconds


def _default_context(server_side: bool, server_hostname: str | None) -> Any:
    if server_side:
        raise ValueError("Server side SSL needs a valid SSLContext")
    context = _ssl.create_default_context()
    if not server_hostname:
        context.check_hostname = False
    return context


def start_tls_over(
    loop: Any,
    transport: Any,
    protocol: asyncio.BaseProtocol,
    waiter: asyncio.Future[Any],
    context: Any,
    server_side: bool,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
) -> Started:
    """Begin TLS on one of nalsil's transports."""
    settings = (context, server_side, server_hostname, handshake_timeout, shutdown_timeout)
    tls = tls_maker(loop, *settings, made=True)(protocol, waiter)
    transport.set_protocol(tls)
    tls._begin(transport)
    if arrived := _take_arrived(protocol, server_side):
        tls._feed(arrived)
    transport.resume_reading()
    return tls, ()


def _take_arrived(protocol: asyncio.BaseProtocol, server_side: bool) -> bytes:
    """Take the client's first words of TLS out of a stream that has received them as data."""
    reader = getattr(protocol, "_stream_reader", None) if server_side else None
    if reader is None or not isinstance(protocol, asyncio.StreamReaderProtocol):
        return b""
    arrived = bytes(reader._buffer)
    reader._buffer.clear()
    return arrived


def start_stock_tls_over(
    loop: Any,
    transport: Any,
    protocol: asyncio.BaseProtocol,
    waiter: asyncio.Future[Any],
    context: Any,
    server_side: bool,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
) -> Started:
    """Begin TLS on a transport of somebody else's, with the standard library's protocol."""
    tls = _StockProtocol(
        loop,
        protocol,
        context,
        waiter,
        server_side,
        server_hostname,
        ssl_handshake_timeout=handshake_timeout,
        ssl_shutdown_timeout=shutdown_timeout,
        call_connection_made=False,
    )
    # Nothing may be read before the new protocol is there to read it.
    transport.pause_reading()
    tls._incoming.write(_take_arrived(protocol, server_side))
    transport.set_protocol(tls)
    made = loop.call_soon(tls.connection_made, transport)
    resumed = loop.call_soon(transport.resume_reading)
    return tls._app_transport, (made, resumed)
