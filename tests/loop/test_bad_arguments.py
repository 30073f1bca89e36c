"""Bad arguments: which exception each call raises, and what its text says.

`text` is a regular expression. Where the stock loop's text is of Python's own argument parsing, or
names a private class, the row says only what matters of it.
"""

import asyncio
import re
import socket
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Row:
    """A call that is refused."""

    call: str
    """The expression, of `loop`, `sock` (TCP, not blocking), `blocking`, `udp`, `P`, `nothing`."""
    error: type[BaseException]
    text: str
    debug: bool = False
    stock_since: tuple[int, int] = (3, 11)


P = asyncio.Protocol


async def nothing() -> None:
    return None


SCHEDULING = [
    Row("loop.call_soon()", TypeError, "callback"),
    Row("loop.call_soon_threadsafe()", TypeError, "callback"),
    Row("loop.call_later()", TypeError, "delay"),
    Row("loop.call_later(1)", TypeError, "callback"),
    Row("loop.call_at(1)", TypeError, "callback"),
    Row("loop.call_later(None, print)", TypeError, "delay must not be None", stock_since=(3, 11)),
    Row("loop.call_at(None, print)", TypeError, "when cannot be None"),
    Row("loop.call_later('1', print)", TypeError, ""),
    Row("loop.call_soon(print, spam=1)", TypeError, "unexpected keyword argument|invalid keyword"),
    Row("loop.call_soon(None)", TypeError, "a callable object was expected by call_soon", True),
    Row(
        "loop.call_soon(nothing)", TypeError, r"coroutines cannot be used with call_soon\(\)", True
    ),
    Row("loop.call_at(1, nothing)", TypeError, r"coroutines cannot be used with call_at\(\)", True),
    Row("loop.call_at(1, 'x')", TypeError, "a callable object was expected by call_at", True),
    Row("loop.create_task(None)", TypeError, "a coroutine was expected, got None"),
    Row("loop.create_task(nothing)", TypeError, "a coroutine was expected"),
    Row("loop.create_task()", TypeError, "coro"),
    Row("loop.run_until_complete(None)", TypeError, "asyncio.Future, a coroutine or an awaitable"),
    Row("loop.run_until_complete(nothing)", TypeError, "a coroutine or an awaitable"),
    Row("loop.set_task_factory(1)", TypeError, "task factory must be a callable or None"),
    Row("loop.set_exception_handler(1)", TypeError, "A callable object or None is expected"),
    Row("loop.call_exception_handler()", TypeError, "context"),
    Row("loop.set_default_executor(1)", TypeError, "executor must be ThreadPoolExecutor instance"),
    Row("loop.run_in_executor(None)", TypeError, "func"),
    Row("loop.add_signal_handler('x', print)", TypeError, "sig must be an int, not 'x'"),
    Row("loop.add_signal_handler(9999, print)", ValueError, "invalid signal number 9999"),
    Row("loop.add_signal_handler(10, nothing)", TypeError, "coroutines cannot be used with"),
]
DESCRIPTORS = [
    Row("loop.add_reader(-1, print)", ValueError, "-1"),
    Row("loop.add_reader('x', print)", ValueError, "Invalid file object"),
    Row("loop.add_reader(1.5, print)", ValueError, "Invalid file object"),
    Row("loop.add_reader(None, print)", ValueError, "Invalid file object"),
    Row("loop.add_reader(object(), print)", ValueError, "Invalid file object"),
    Row("loop.add_writer(-1, print)", ValueError, "-1"),
    Row("loop.add_writer(object(), print)", ValueError, "Invalid file object"),
    Row("loop.remove_reader(object())", ValueError, "Invalid file object"),
    Row("loop.remove_writer(object())", ValueError, "Invalid file object"),
    Row("loop.add_reader(999999, print)", OSError, "Bad file descriptor"),
]
SOCKETS = [
    Row("await loop.sock_recv(blocking, 1)", ValueError, "the socket must be non-blocking", True),
    Row(
        "await loop.sock_recv_into(blocking, bytearray(1))",
        ValueError,
        "the socket must be non-blocking",
        True,
    ),
    Row("await loop.sock_recvfrom(blocking, 1)", ValueError, "must be non-blocking", True),
    Row(
        "await loop.sock_recvfrom_into(blocking, bytearray(1))",
        ValueError,
        "must be non-blocking",
        True,
    ),
    Row("await loop.sock_sendall(blocking, b'x')", ValueError, "must be non-blocking", True),
    Row("await loop.sock_sendto(blocking, b'x', A)", ValueError, "must be non-blocking", True),
    Row("await loop.sock_connect(blocking, A)", ValueError, "must be non-blocking", True),
    Row("await loop.sock_accept(blocking)", ValueError, "must be non-blocking", True),
    Row("await loop.sock_recv(sock, 'x')", TypeError, "str"),
    Row("await loop.sock_recv(None, 1)", AttributeError, "None"),
    Row("await loop.sock_recv_into(sock, b'read only')", TypeError, "read-write bytes-like"),
    Row("await loop.sock_sendall(sock, 'text')", TypeError, "bytes-like object is required"),
    Row("await loop.sock_sendall(sock, None)", TypeError, "bytes-like object is required"),
    Row("await loop.sock_sendto(udp, 'text', A)", TypeError, "bytes-like object is required"),
    Row(
        "await loop.sock_connect(sock, ('127.0.0.1', 99999))", OverflowError, "port must be 0-65535"
    ),
    Row("await loop.sock_accept(sock)", OSError, "Invalid argument"),
]
CONNECTING = [
    Row(
        "await loop.create_connection(P)", ValueError, "host and port was not specified and no sock"
    ),
    Row(
        "await loop.create_connection(P, 'h', 1, sock=sock)",
        ValueError,
        "host/port and sock can not be specified at the same time",
    ),
    Row(
        "await loop.create_connection(P, sock=udp)", ValueError, "A Stream Socket was expected, got"
    ),
    Row(
        "await loop.create_connection(P, 'h', 1, server_hostname='h')",
        ValueError,
        "server_hostname is only meaningful with ssl",
    ),
    Row(
        "await loop.create_connection(P, 'h', 1, ssl_handshake_timeout=1)",
        ValueError,
        "ssl_handshake_timeout is only meaningful with ssl",
    ),
    Row(
        "await loop.create_connection(P, 'h', 1, ssl_shutdown_timeout=1)",
        ValueError,
        "ssl_shutdown_timeout is only meaningful with ssl",
    ),
    Row(
        "await loop.create_connection(P, sock=sock, ssl=True)",
        ValueError,
        "You must set server_hostname when using ssl without a host",
    ),
    Row("await loop.create_connection(P, '127.0.0.1', 99999)", OverflowError, "0-65535"),
    Row("await loop.create_connection(P, '127.0.0.1', 'nosuch')", socket.gaierror, ""),
    Row(
        "await loop.create_connection(P, '127.0.0.1', 9, family=socket.AF_INET6)",
        socket.gaierror,
        "",
    ),
    Row("await loop.create_connection(P, 'h', 1, spam=1)", TypeError, "unexpected keyword"),
    Row("await loop.create_unix_connection(P)", ValueError, "no path and sock were specified"),
    Row(
        "await loop.create_unix_connection(P, 'p', sock=unix)",
        ValueError,
        "path and sock can not be specified at the same time",
    ),
    Row(
        "await loop.create_unix_connection(P, sock=sock)",
        ValueError,
        "A UNIX Domain Stream Socket was expected, got",
    ),
    Row(
        "await loop.create_unix_connection(P, 'p', server_hostname='h')",
        ValueError,
        "server_hostname is only meaningful with ssl",
    ),
    Row("await loop.create_unix_connection(P, '/no/such/path')", FileNotFoundError, ""),
    Row(
        "await loop.connect_accepted_socket(P, udp)",
        ValueError,
        "A Stream Socket was expected, got",
    ),
    Row(
        "await loop.connect_accepted_socket(P, sock, ssl_handshake_timeout=1)",
        ValueError,
        "ssl_handshake_timeout is only meaningful with ssl",
    ),
]
SERVING = [
    Row("await loop.create_server(P)", ValueError, "Neither host/port nor sock were specified"),
    Row(
        "await loop.create_server(P, 'h', 1, sock=sock)",
        ValueError,
        "host/port and sock can not be specified at the same time",
    ),
    Row("await loop.create_server(P, sock=udp)", ValueError, "A Stream Socket was expected, got"),
    Row(
        "await loop.create_server(P, 'h', 1, ssl=True)",
        TypeError,
        "ssl argument must be an SSLContext or None",
    ),
    Row(
        "await loop.create_server(P, 'h', 1, ssl_handshake_timeout=1)",
        ValueError,
        "ssl_handshake_timeout is only meaningful with ssl",
    ),
    Row(
        "await loop.create_server(P, 'h', 1, ssl_shutdown_timeout=1)",
        ValueError,
        "ssl_shutdown_timeout is only meaningful with ssl",
    ),
    Row("await loop.create_server(P, '127.0.0.1', 99999)", OverflowError, "0-65535"),
    Row("await loop.create_server(P, '127.0.0.1', 'nosuch')", socket.gaierror, ""),
    Row(
        "await loop.create_server(P, '192.0.2.77', 0)", OSError, "could not bind|attempting to bind"
    ),
    Row("await loop.create_unix_server(P)", ValueError, "path was not specified, and no sock"),
    Row(
        "await loop.create_unix_server(P, 'p', sock=unix)",
        ValueError,
        "path and sock can not be specified at the same time",
    ),
    Row(
        "await loop.create_unix_server(P, sock=sock)",
        ValueError,
        "A UNIX Domain Stream Socket was expected, got",
    ),
    Row(
        "await loop.create_unix_server(P, 'p', ssl=True)",
        TypeError,
        "ssl argument must be an SSLContext or None",
    ),
    Row("await loop.create_unix_server(P, '/no/such/directory/socket')", FileNotFoundError, ""),
]


async def attempt(row, loop):
    """Make the call of a row; gives what it raises."""
    pair = socket.socketpair()
    names = {
        "loop": loop,
        "socket": socket,
        "P": P,
        "nothing": nothing,
        "A": ("127.0.0.1", 9),
        "sock": socket.socket(),
        "blocking": socket.socket(),
        "udp": socket.socket(type=socket.SOCK_DGRAM),
        "unix": pair[0],
    }
    sockets = [*pair, *(thing for thing in names.values() if isinstance(thing, socket.socket))]
    for sock in sockets:
        sock.setblocking(False)
    names["blocking"].setblocking(True)
    try:
        scope: dict[str, Any] = {}
        exec(f"async def call():\n    return {row.call}", names, scope)
        try:
            return await scope["call"]()
        except row.error as error:
            return error
    finally:
        for sock in sockets:
            sock.close()


ROWS = SCHEDULING + DESCRIPTORS + SOCKETS + CONNECTING + SERVING


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.call, marks=[pytest.mark.stock_since(*row.stock_since)])
        for row in ROWS
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_is_refused(loop, row):
    loop.set_debug(row.debug)
    if row.call.startswith("loop.run_until_complete"):
        with pytest.raises(row.error, match=row.text):
            eval(row.call, {"loop": loop, "nothing": nothing})
        return
    raised = loop.run_until_complete(attempt(row, loop))
    assert isinstance(raised, row.error), f"gave {raised!r}"
    assert re.search(row.text, str(raised))


def test_the_table_has_no_row_twice():
    assert len({row.call for row in ROWS}) == len(ROWS)
