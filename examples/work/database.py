"""Queries to SQLite, a library that has no asynchronous version.

nalsil compare examples/work/database.py:query --items 200

A query is C code that computes, and `sqlite3` releases the GIL while it does. One would guess that
threads win by as much as there are processors, and that a coroutine would only block its loop.
"""

import contextlib
import sqlite3
import tempfile
import threading
from pathlib import Path

ROWS = 100_000

QUERY = """
SELECT count(*), sum(price), avg(price * amount)
FROM orders WHERE price % 97 BETWEEN :least AND :least + 40
"""

folder: tempfile.TemporaryDirectory[str]
connections: list[sqlite3.Connection] = []
of_thread = threading.local()


def setup() -> None:
    """Make a database of 100,000 orders."""
    global folder
    folder = tempfile.TemporaryDirectory(prefix="work-database-")
    rows = ((number * 7919 % 10_007, number % 12) for number in range(ROWS))
    # Closed again: worker processes may be forks, and a connection must not go along.
    with contextlib.closing(sqlite3.connect(path())) as database:
        database.execute("CREATE TABLE orders (price INTEGER, amount INTEGER)")
        database.executemany("INSERT INTO orders VALUES (?, ?)", rows)
        database.commit()


def teardown() -> None:
    """Close the connections and remove the database."""
    global of_thread
    while connections:
        connections.pop().close()
    of_thread = threading.local()
    folder.cleanup()


def path() -> Path:
    """The file of the database."""
    return Path(folder.name, "orders.db")


def connection() -> sqlite3.Connection:
    """The connection of this thread; `teardown` closes it, in whatever thread that runs."""
    if not hasattr(of_thread, "connection"):
        of_thread.connection = sqlite3.connect(path(), check_same_thread=False)
        connections.append(of_thread.connection)
    return of_thread.connection


def query(item: int) -> tuple[int, int, float]:
    """Go through all orders and add up those of a range of prices."""
    return connection().execute(QUERY, {"least": item % 50}).fetchone()
