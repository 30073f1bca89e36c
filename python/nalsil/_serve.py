"""Servers: made of addresses, paths and sockets."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
import sys
from asyncio.log import logger
from collections.abc import Callable, Iterable
from typing import Any

from nalsil._connect import (
    Connect,
    check_no_tls_socket,
    check_stream_socket,
    check_tls_arguments,
    is_socket_file,
)
from nalsil._names import AddressInfo
from nalsil._server import Server
from nalsil._tls import tls_maker

Factory = Callable[[], asyncio.BaseProtocol]


class Serve(Connect):
    """The part of a loop that listens."""

    async def create_server(
        self,
        protocol_factory: Factory,
        host: Any = None,
        port: Any = None,
        *,
        family: int = socket.AF_UNSPEC,
        flags: int = socket.AI_PASSIVE,
        sock: socket.socket | None = None,
        backlog: int = 100,
        ssl: Any = None,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
        keep_alive: bool | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
    ) -> Server:
        """Listen on TCP addresses and return the server.

        `host` is a name, an address, a sequence of them, or None for every interface.

        Raises:
            OSError: if an address cannot be bound.
            TypeError, ValueError: if the arguments contradict one another.
        """
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        check_tls_arguments(ssl, None, ssl_handshake_timeout, ssl_shutdown_timeout)
        check_no_tls_socket(sock)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            infos = await self._resolve_hosts(host, port, family, flags)
            options = {
                "reuse_address": True if reuse_address is None else reuse_address,
                "reuse_port": bool(reuse_port),
                "keep_alive": bool(keep_alive),
            }
            sockets = _bind_all(infos, self.get_debug(), **options)
        else:
            if sock is None:
                raise ValueError("Neither host/port nor sock were specified")
            check_stream_socket(sock)
            sockets = [sock]
        return await self._serve(
            sockets,
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            start_serving,
        )

    async def _resolve_hosts(
        self, host: Any, port: Any, family: int, flags: int
    ) -> list[AddressInfo]:
        if host == "":
            hosts: list[Any] = [None]
        elif isinstance(host, (str, bytes)) or not isinstance(host, Iterable):
            hosts = [host]
        else:
            hosts = list(host)
        found = await asyncio.gather(
            *[self._resolve((one, port), family=family, flags=flags) for one in hosts]
        )
        # Each address once: two names may stand for the same one.
        return list(dict.fromkeys(itertools.chain.from_iterable(found)))

    async def _serve(
        self,
        sockets: list[socket.socket],
        protocol_factory: Factory,
        ssl: Any,
        backlog: int,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
        start_serving: bool,
    ) -> Server:
        for one in sockets:
            one.setblocking(False)
        server = Server(
            self,  # type: ignore[arg-type]
            sockets,
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
        )
        if start_serving:
            try:
                await server.start_serving()
            except BaseException:
                server.close()
                raise
        if self.get_debug():
            logger.info("%r is serving", server)
        return server

    async def create_unix_server(
        self,
        protocol_factory: Factory,
        path: Any = None,
        *,
        sock: socket.socket | None = None,
        backlog: int = 100,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
        cleanup_socket: bool = sys.version_info >= (3, 13),
    ) -> Server:
        """Listen on a Unix socket and return the server.

        Args:
            path: where the socket is made; one that is left over there is replaced. Bytes or text
                that begin with a zero are an abstract name.
            cleanup_socket: remove the socket's file when the server is closed, unless somebody
                else has put another there. The default is that of the Python version: since 3.13.

        Raises:
            OSError: if the path cannot be bound.
            TypeError, ValueError: if the arguments contradict one another.
        """
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        check_tls_arguments(ssl, None, ssl_handshake_timeout, ssl_shutdown_timeout)
        check_no_tls_socket(sock)
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = _bind_unix(os.fspath(path))
        elif sock is None:
            raise ValueError("path was not specified, and no sock specified")
        elif sock.family != socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
            raise ValueError(f"A UNIX Domain Stream Socket was expected, got {sock!r}")
        if cleanup_socket:
            self._remember_unix_file(sock)
        return await self._serve(
            [sock],
            protocol_factory,
            ssl,
            backlog,
            ssl_handshake_timeout,
            ssl_shutdown_timeout,
            start_serving,
        )

    _unix_files: dict[socket.socket, tuple[str | bytes, int, int]] | None = None

    def _remember_unix_file(self, sock: socket.socket) -> None:
        path = sock.getsockname()
        # An abstract name has no file.
        if not path or path[0] in (0, "\x00"):
            return
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return
        if self._unix_files is None:
            self._unix_files = {}
        self._unix_files[sock] = (path, status.st_dev, status.st_ino)

    def _remove_unix_file(self, sock: socket.socket) -> None:
        remembered = self._unix_files.pop(sock, None) if self._unix_files else None
        if remembered is None:
            return
        path, device, inode = remembered
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) == (device, inode):
                os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.error("Unable to clean up listening UNIX socket %r: %r", path, error)

    def _start_serving(
        self,
        protocol_factory: Factory,
        sock: socket.socket,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        """Take connections in from one listening socket. For servers."""
        wrap = None
        if sslcontext:
            wrap = tls_maker(
                self, sslcontext, True, None, ssl_handshake_timeout, ssl_shutdown_timeout
            )
        self._listen(sock, protocol_factory, server, backlog, wrap)

    def _stop_serving(self, sock: socket.socket) -> None:
        """Close one listening socket. For servers."""
        self._unlisten(sock.fileno())
        self._remove_unix_file(sock)
        sock.close()


def _bind_all(
    infos: list[AddressInfo],
    debug: bool,
    *,
    reuse_address: bool,
    reuse_port: bool,
    keep_alive: bool,
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for info in infos:
            family, kind, proto, _, address = info
            try:
                sock = socket.socket(family, kind, proto)
            except OSError:
                # The system resolves for a family that it does not have.
                if debug:
                    logger.warning("create_server() could not make a socket for %r", info)
                continue
            sockets.append(sock)
            _set_options(sock, reuse_address, reuse_port, keep_alive)
            try:
                sock.bind(address)
            except OSError as error:
                text = (
                    f"error while attempting to bind on address {address!r}: "
                    f"{(error.strerror or '').lower()}"
                )
                if error.errno == errno.EADDRNOTAVAIL and len(infos) > 1:
                    # One of several interfaces that is not there; others may be.
                    sockets.pop().close()
                    if debug:
                        logger.warning(text)
                    continue
                raise OSError(error.errno, text) from None
        if not sockets:
            tried = [info[4] for info in infos]
            raise OSError(f"could not bind on any address out of {tried!r}")
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _set_options(
    sock: socket.socket, reuse_address: bool, reuse_port: bool, keep_alive: bool
) -> None:
    if reuse_address:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        if not hasattr(socket, "SO_REUSEPORT"):
            raise ValueError("reuse_port not supported by socket module")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if keep_alive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sock.family == socket.AF_INET6:
        # IPv4 has a socket of its own, where it is asked for.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _bind_unix(path: str | bytes) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A socket of a server that ended without cleaning up. An abstract name has no file.
        if path[:1] not in ("\x00", b"\x00") and is_socket_file(path):
            os.remove(path)
        sock.bind(path)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, f"Address {path!r} is already in use") from None
        raise
    except BaseException:
        sock.close()
        raise
    return sock
