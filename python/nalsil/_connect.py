"""Connections: made, taken over, and wrapped in TLS."""

from __future__ import annotations

import asyncio
import collections
import itertools
import os
import socket
import stat
from asyncio.log import logger
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nalsil._names import AddressInfo, Names
from nalsil._race import race
from nalsil._tls import NATIVE, start_stock_tls_over, start_tls_over, tls_maker

try:
    import ssl as _ssl
except ImportError:  # Python can be built without TLS
    _ssl = None  # type: ignore[assignment]

P = TypeVar("P", bound=asyncio.BaseProtocol)
Factory = Callable[[], P]


def interleave(infos: Sequence[AddressInfo], first: int) -> list[AddressInfo]:
    """Return address infos with their families in turn, after `first` of the first family."""
    families: dict[int, list[AddressInfo]] = collections.OrderedDict()
    for info in infos:
        families.setdefault(info[0], []).append(info)
    lists = list(families.values())
    ahead = lists[0][: first - 1] if first > 1 else []
    del lists[0][: len(ahead)]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*lists))
    return ahead + [info for info in turns if info is not None]


def check_tls_arguments(
    ssl: Any, server_hostname: Any, handshake: float | None, shutdown: float | None
) -> None:
    """Refuse arguments that have a meaning only with TLS, when there is no TLS.

    Raises:
        ValueError: naming the first of them.
    """
    if ssl:
        return
    if server_hostname is not None:
        raise ValueError("server_hostname is only meaningful with ssl")
    if handshake is not None:
        raise ValueError("ssl_handshake_timeout is only meaningful with ssl")
    if shutdown is not None:
        raise ValueError("ssl_shutdown_timeout is only meaningful with ssl")


def check_stream_socket(sock: socket.socket) -> None:
    """Raises ValueError for a socket that is not a stream."""
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"A Stream Socket was expected, got {sock!r}")


def check_no_tls_socket(sock: socket.socket | None) -> None:
    """Raises TypeError for a socket that `ssl` has wrapped: the loop does TLS itself."""
    if _ssl is not None and isinstance(sock, _ssl.SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket")


class Connect(Names):
    """The part of a loop that makes connections."""

    async def create_connection(
        self,
        protocol_factory: Factory[P],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        sock: socket.socket | None = None,
        local_addr: Any = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> tuple[asyncio.Transport, P]:
        """Connect to a TCP server and return (transport, protocol).

        Args:
            happy_eyeballs_delay: seconds after which the next address is tried as well.
            interleave: how many addresses of the first family come before they alternate.
            all_errors: raise an ExceptionGroup of every try's error.

        Raises:
            OSError: if no address could be connected to.
            ValueError: if the arguments contradict one another.
        """
        if server_hostname is None and ssl:
            if not host:
                raise ValueError("You must set server_hostname when using ssl without a host")
            server_hostname = host
        check_tls_arguments(ssl, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout)
        check_no_tls_socket(sock)
        if happy_eyeballs_delay is not None and interleave is None:
            interleave = 1
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            infos = await self._resolve((host, port), family=family, proto=proto, flags=flags)
            local_infos = None
            if local_addr is not None:
                local_infos = await self._resolve(
                    local_addr, family=family, proto=proto, flags=flags
                )
            if interleave:
                infos = _interleave(infos, interleave)
            sock = await self._connect_to_one(infos, local_infos, happy_eyeballs_delay, all_errors)
            owned = True
        else:
            if sock is None:
                raise ValueError("host and port was not specified and no sock specified")
            check_stream_socket(sock)
            owned = False
        transport, protocol = await self._connected(
            sock,
            protocol_factory,
            ssl,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
            owned=owned,
        )
        if self.get_debug():
            sock = transport.get_extra_info("socket")
            logger.debug("%r connected to %s:%r: (%r, %r)", sock, host, port, transport, protocol)
        return transport, protocol

    async def _connect_to_one(
        self,
        infos: list[AddressInfo],
        local_infos: list[AddressInfo] | None,
        delay: float | None,
        all_errors: bool,
    ) -> socket.socket:
        errors: list[OSError] = []
        if delay is None or len(infos) == 1:
            for info in infos:
                try:
                    return await self._connect_socket(info, local_infos)
                except OSError as error:
                    errors.append(error)
        else:

            async def connect(info: AddressInfo) -> socket.socket:
                return await self._connect_socket(info, local_infos)

            outcome = await race(infos, connect, delay, socket.socket.close)
            winner, errors = outcome
            if winner is not None:
                return winner
        try:
            if all_errors:
                raise ExceptionGroup("create_connection failed", errors)
            texts = [str(error) for error in errors]
            if len(set(texts)) == 1:
                raise errors[0]
            raise OSError(f"Multiple exceptions: {', '.join(texts)}")
        finally:
            # The exceptions refer to this frame through their tracebacks.
            errors = []

    async def _connect_socket(
        self, info: AddressInfo, local_infos: list[AddressInfo] | None
    ) -> socket.socket:
        family, kind, proto, _, address = info
        sock = socket.socket(family=family, type=kind, proto=proto)
        try:
            sock.setblocking(False)
            if local_infos is not None:
                _bind_to_one(sock, family, local_infos)
            await self._sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _connected(
        self,
        sock: socket.socket,
        protocol_factory: Factory[P],
        ssl: Any,
        server_hostname: str | None,
        *,
        server_side: bool = False,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        owned: bool = False,
    ) -> tuple[asyncio.Transport, P]:
        """Make protocol and transport of a connected socket, and wait until they know it."""
        transport: asyncio.Transport | None = None
        waiter: asyncio.Future[None] | None = None
        try:
            sock.setblocking(False)
            protocol = protocol_factory()
            waiter = self.create_future()
            if ssl:
                transport = self._make_ssl_transport(
                    sock,
                    protocol,
                    None if isinstance(ssl, bool) else ssl,
                    waiter,
                    server_side=server_side,
                    server_hostname=server_hostname,
                    ssl_handshake_timeout=ssl_handshake_timeout,
                    ssl_shutdown_timeout=ssl_shutdown_timeout,
                    shared=not owned,
                )
            else:
                transport = self._make_socket_transport(sock, protocol, waiter, shared=not owned)
            await waiter
        except BaseException:
            if transport is not None:
                transport.close()
            elif owned:
                sock.close()
            # It holds the exception, which refers to this frame through its traceback.
            waiter = None
            raise
        return transport, protocol

    async def connect_accepted_socket(
        self,
        protocol_factory: Factory[P],
        sock: socket.socket,
        *,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Take over a connection that was accepted elsewhere; return (transport, protocol)."""
        check_stream_socket(sock)
        check_tls_arguments(ssl, None, ssl_handshake_timeout, ssl_shutdown_timeout)
        check_no_tls_socket(sock)
        transport, protocol = await self._connected(
            sock,
            protocol_factory,
            ssl,
            "",
            server_side=True,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        if self.get_debug():
            sock = transport.get_extra_info("socket")
            logger.debug("%r handled: (%r, %r)", sock, transport, protocol)
        return transport, protocol

    async def create_unix_connection(
        self,
        protocol_factory: Factory[P],
        path: Any = None,
        *,
        ssl: Any = None,
        sock: socket.socket | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """Connect to the server of a Unix socket and return (transport, protocol).

        `path` is a path, or bytes or text that begin with a zero for an abstract name.
        """
        if ssl and server_hostname is None:
            raise ValueError("you have to pass server_hostname when using ssl")
        check_tls_arguments(ssl, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout)
        check_no_tls_socket(sock)
        owned = sock is None
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = await self._connect_unix(os.fspath(path))
        elif sock is None:
            raise ValueError("no path and sock were specified")
        elif sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
        return await self._connected(
            sock,
            protocol_factory,
            ssl,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
            owned=owned,
        )

    async def _connect_unix(self, path: str | bytes) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await self._sock_connect(sock, path)
        except BaseException:
            sock.close()
            raise
        return sock

    # TLS

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        waiter: asyncio.Future[Any] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        shared: bool = True,
    ) -> asyncio.Transport:
        make = tls_maker(
            self,
            sslcontext,
            server_side,
            server_hostname,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
        )
        tls = make(protocol, waiter)
        self._make_socket_transport(rawsock, tls, extra=extra, server=server, shared=shared)
        return tls

    async def start_tls(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """Begin TLS on a connection, and return the transport to be used from now on.

        Raises:
            TypeError: if the context is none, or the transport cannot do it.
        """
        if _ssl is None:
            raise RuntimeError("Python ssl module is not available")
        if not isinstance(sslcontext, _ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        waiter = self.create_future()
        start = start_tls_over if isinstance(transport, NATIVE) else start_stock_tls_over
        settings = (sslcontext, server_side, server_hostname)
        timeouts = (ssl_handshake_timeout, ssl_shutdown_timeout)
        secured, begun = start(self, transport, protocol, waiter, *settings, *timeouts)
        try:
            await waiter
        except BaseException:
            transport.close()
            for handle in begun:
                handle.cancel()
            # It holds the exception, which refers to this frame through its traceback.
            del waiter
            raise
        return secured


_interleave = interleave


def _bind_to_one(sock: socket.socket, family: int, local_infos: list[AddressInfo]) -> None:
    errors: list[OSError] = []
    for local_family, _, _, _, address in local_infos:
        if local_family != family:
            continue
        try:
            sock.bind(address)
        except OSError as error:
            text = f"error while attempting to bind on address {address!r}: {error.strerror}"
            errors.append(OSError(error.errno, text.lower()))
        else:
            return
    if errors:
        raise errors.pop()
    raise OSError(f"no matching local address with family={family!r} found")


def is_socket_file(path: str | bytes) -> bool:
    """Return whether a path is a Unix socket; a missing file is none."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except FileNotFoundError:
        return False
