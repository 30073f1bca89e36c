"""Names and addresses."""

from __future__ import annotations

import logging
import re
import socket
from asyncio.log import logger
from typing import Any

from nalsil import _nalsil

# What may be a numeric address, in any of the ways that the system reads: dotted and shortened
# IPv4, with octal and hexadecimal parts, and IPv6 with a zone. A name that fits is harmless: the
# system says that it is no number, and the name goes its way.
_MAYBE_NUMERIC = re.compile(
    r"[0-9a-fA-FxX.]*[0-9][0-9a-fA-FxX.]*|[0-9a-fA-F.:]*:[0-9a-fA-F.:]*(%.*)?"
)

# (family, type, protocol, canonical name, address), as `socket.getaddrinfo` gives them.
AddressInfo = tuple[Any, Any, int, str, Any]


def _maybe_numeric(host: object) -> bool:
    if host is None:
        return True
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("latin-1")
    return isinstance(host, str) and _MAYBE_NUMERIC.fullmatch(host) is not None


def _numeric_infos(
    host: Any, port: Any, family: int, type: int, proto: int, flags: int
) -> list[AddressInfo] | None:
    """Return what `socket.getaddrinfo` says of a numeric host; None if the host is a name."""
    if not _maybe_numeric(host):
        return None
    try:
        return socket.getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        # Every error but "no such name" would come the other way as well.
        if error.errno != socket.EAI_NONAME:
            raise
    # Either the host is a name after all, or the port is one that the system does not know.
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return None
    return socket.getaddrinfo(host, port, family, type, proto, flags)


class Names(_nalsil.EventLoop):
    """The part of a loop that resolves names."""

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Resolve a host and port, with the results and errors of `socket.getaddrinfo`.

        Numeric addresses are resolved at once, without a thread.
        """
        infos = _numeric_infos(host, port, family, type, proto, flags)
        if infos is not None:
            return infos
        resolve = self._getaddrinfo_debug if self.get_debug() else socket.getaddrinfo
        return await self.run_in_executor(None, resolve, host, port, family, type, proto, flags)

    def _getaddrinfo_debug(self, host: Any, port: Any, *hints: int) -> list[AddressInfo]:
        """Resolve a name and log how long that took. Runs in a thread."""
        begun = self.time()
        infos = socket.getaddrinfo(host, port, *hints)
        seconds = self.time() - begun
        level = logging.INFO if seconds >= self.slow_callback_duration else logging.DEBUG
        line = "Getting address info %s:%r took %.3f ms: %r"
        logger.log(level, line, host, port, seconds * 1e3, infos)
        return infos

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """Return host and service of a socket address, as `socket.getnameinfo` does."""
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        if flags & numeric == numeric:
            return socket.getnameinfo(sockaddr, flags)
        return await self.run_in_executor(None, socket.getnameinfo, sockaddr, flags)

    async def _resolve(
        self,
        address: Any,
        *,
        family: int = 0,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Resolve the address of a socket; flow label and scope of an IPv6 address are kept."""
        host, port = address[:2]
        if isinstance(port, int) and not 0 <= port <= 65535:
            # The system would take the port modulo 65536.
            raise OverflowError(f"port must be 0-65535, not {port}")
        infos = None
        if host is not None:
            infos = _numeric_infos(host, port, family, type, proto, flags)
        if infos is None:
            infos = await self.getaddrinfo(
                host, port, family=family, type=type, proto=proto, flags=flags
            )
        if not infos:
            raise OSError("getaddrinfo() returned empty list")
        if len(address) == 4 and any(address[2:]):
            infos = [
                (*info[:4], (*info[4][:2], *address[2:])) if info[0] == socket.AF_INET6 else info
                for info in infos
            ]
        return infos

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a non-blocking socket to an address; a host name is resolved first."""
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            infos = await self._resolve(
                address, family=sock.family, type=sock.type, proto=sock.proto
            )
            address = infos[0][4]
        await self._sock_connect(sock, address)
