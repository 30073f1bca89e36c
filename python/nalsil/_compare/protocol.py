"""What the parent and a child say to one another: one JSON object a line, over a socket."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

Message = dict[str, Any]

CHUNK = 1 << 16


class Closed(Exception):
    """The other side has closed the connection."""


class Channel:
    """One end of the connection.

    It belongs to the process that made it. A fork of the work that comes back into our code ends
    where it would speak, for its parent speaks for it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._owner = os.getpid()
        self._received = bytearray()

    def fileno(self) -> int:
        """Return the descriptor, for those who wait for it."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close this end."""
        self._connection.close()

    def send(self, message: Message) -> None:
        """Send a message, however long that takes.

        Raises:
            Closed: if nobody reads any more.
        """
        if os.getpid() != self._owner:
            os._exit(0)
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise Closed from error

    def receive(self) -> Message:
        """Wait for the next message.

        Raises:
            Closed: if there will be none.
        """
        while (message := self.take()) is None:
            self.fill()
        return message

    def take(self) -> Message | None:
        """Return the next message if it is here as a whole."""
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return None
        self._received = rest
        message: Message = json.loads(line)
        return message

    def fill(self) -> None:
        """Take in what has arrived, or wait for it.

        Raises:
            Closed: if the other side has closed the connection.
        """
        try:
            data = self._connection.recv(CHUNK)
        except OSError as error:
            raise Closed from error
        if not data:
            raise Closed
        self._received += data
