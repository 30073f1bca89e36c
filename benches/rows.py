"""The table of what is measured: one `Row` per line of the report."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

KIB = 1024
SIZES = {"1KB": KIB, "10KB": 10 * KIB, "100KB": 100 * KIB}
CONNECTIONS = (1, 10, 100, 1_000)
ALONE = {"micro": "micro.scheduling", "process": "workloads.processes"}
"""The groups whose rows need no client, and the modules that run them."""

ECHO_SERVERS = ("protocol", "buffered", "streams", "sock")
TLS_SERVERS = ("protocol", "buffered", "streams")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report.

    `name` is what `--rows` matches, `work` the batch (micro) or the server (workloads) that runs,
    `operation` what one operation is, `connections` how many the client holds open (0: the row
    needs no client) and `size` the bytes of one message.
    """

    name: str
    work: str
    operation: str
    connections: int = 0
    size: int = 0
    quick: bool = False

    @property
    def table(self) -> str:
        """The report's table this row stands in."""
        parts = self.name.split("/")
        return "/".join(parts[:2]) if parts[0] in ("echo", "tls") else parts[0]

    @property
    def client(self) -> str | None:
        """The load generator's mode, or `None` for a row that runs in the loop's own process."""
        group = self.name.split("/")[0]
        return None if group in ALONE else group

    @property
    def module(self) -> str:
        """What runs a row without a client."""
        return ALONE[self.name.split("/")[0]]


def _micro() -> Iterator[Row]:
    operations = {
        "call_soon": "a callback, scheduled in batches of 1,000",
        "call_soon-3-args": "a callback with three arguments, scheduled in batches of 1,000",
        "call_soon-chain": "a callback that schedules the next one",
        "threadsafe-own-thread": "`call_soon_threadsafe` from the loop's thread",
        "threadsafe-other-thread": "`call_soon_threadsafe` from another thread",
        "timers-fired": "one of 20,000 timers, due 1 to 2 ms after it was scheduled",
        "timers-cancelled": "a timer scheduled for 60 s later and cancelled at once",
        "sleep-0": "`await asyncio.sleep(0)`",
        "gather-sleep-0": "one of 1,000 `sleep(0)` in a `gather`",
        "gather-20000-sleeps": "one of 20,000 `sleep(0.05)` in a `gather`",
        "taskgroup": "one of 100 tasks that return at once, in a `TaskGroup`",
        "queue": "an item through a `Queue` of 100 places",
        "event-ping-pong": "a round trip between two tasks by two `Event`s",
        "timeout": "`async with asyncio.timeout(60)` around a `sleep(0)`",
        "pipe-64KB": "64 KB through a pipe whose both ends the loop has",
    }
    for work, operation in operations.items():
        yield Row(f"micro/{work}", work, operation, quick=True)


def _echo() -> Iterator[Row]:
    quick = {("1KB", 1), ("1KB", 100), ("100KB", 100)}
    for server in ECHO_SERVERS:
        for label, size in SIZES.items():
            for connections in CONNECTIONS:
                yield Row(
                    f"echo/{server}/{label}/{connections}",
                    server,
                    f"a message of {label} there and back",
                    connections,
                    size,
                    quick=(label, connections) in quick,
                )


def _tls() -> Iterator[Row]:
    quick = {("protocol", "10KB", 10), ("protocol", "100KB", 10)}
    for server in TLS_SERVERS:
        for label, size in SIZES.items():
            for connections in (1, 10, 100):
                yield Row(
                    f"tls/{server}/{label}/{connections}",
                    f"tls-{server}",
                    f"a message of {label} there and back, encrypted",
                    connections,
                    size,
                    quick=(server, label, connections) in quick,
                )


def _processes() -> Iterator[Row]:
    operations = {
        "spawn": "`true` started and waited for, one after another",
        "spawn-20-at-once": "one of 20 `true`, started at the same time and waited for",
        "cat-64KB": "`cat` started, 64 KB sent through it by `communicate`",
        "lateness-300MB": (
            "the latest of the ticks of a 1 ms timer while a process of 300 MB starts and waits "
            "for 10 children; its seconds are those that the tick was late"
        ),
    }
    for work, operation in operations.items():
        yield Row(f"process/{work}", work, operation, quick=True)


def _udp() -> Iterator[Row]:
    for label, size in {"1B": 1, "1KB": KIB, "10KB": 10 * KIB}.items():
        for peers in (1, 10):
            operation = f"a datagram of {label} there and back"
            yield Row(f"udp/{label}/{peers}", "datagrams", operation, peers, size, label == "1KB")


ROWS: tuple[Row, ...] = (
    *_micro(),
    *_processes(),
    *_echo(),
    *_tls(),
    Row(
        "handshake/1-byte",
        "tls-protocol",
        "connect, a TLS handshake, one byte there and back, close",
        1,
        1,
        quick=True,
    ),
    *_udp(),
    Row("sendfile/100MB", "sendfile", "a file of 100 MB, by `loop.sendfile`", 1, 100 * KIB * KIB),
    Row("connect/1-byte", "protocol", "connect, one byte there and back, close", 1, 1, quick=True),
    Row("http/uvicorn/64", "uvicorn", "a GET with a 13-byte answer, kept alive", 64, 0, quick=True),
)


def select(patterns: list[str], *, quick: bool) -> list[Row]:
    """The rows that any of `patterns` matches (all, if there are none), in the table's order.

    A pattern is a shell pattern on the whole name (`echo/*/1KB/100`) or, without any of `*?[`,
    a part of the name (`timers`).
    """
    return [
        row
        for row in ROWS
        if (row.quick or not quick)
        and (not patterns or any(matches(row.name, pattern) for pattern in patterns))
    ]


def matches(name: str, pattern: str) -> bool:
    """Whether the row called `name` is meant by `pattern`, see `select`."""
    if any(sign in pattern for sign in "*?["):
        return fnmatchcase(name, pattern)
    return pattern in name
