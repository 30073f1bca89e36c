"""What the extension module takes from Python."""

from __future__ import annotations

import asyncio
from typing import Any

try:
    from ssl import SSLSocket as SSLSocket
except ImportError:  # Python can be built without TLS

    class SSLSocket:  # type: ignore[no-redef]
        """Stands for a class that no object has."""


class TransportBase(asyncio.Transport):
    """`asyncio.Transport` that can be referred to weakly, as asyncio's own transports can."""

    __slots__ = ("__weakref__",)

    _extra: dict[str, Any]


class DatagramTransportBase(asyncio.Transport, asyncio.DatagramTransport):
    """The same for datagrams; asyncio's own is both classes as well."""

    __slots__ = ("__weakref__",)

    _extra: dict[str, Any]


class ReadPipeTransportBase(asyncio.ReadTransport):
    """The same for the reading end of a pipe."""

    __slots__ = ("__weakref__",)

    _extra: dict[str, Any]
