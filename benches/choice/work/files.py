"""Files and databases: small reads, large reads, writes that last, queries, commits."""

import os
import sqlite3
import tempfile
import threading
from pathlib import Path

FOLDER = Path(tempfile.gettempdir()) / f"nalsil-bench-files-{os.getuid()}"
SMALL, LARGE, DATABASE = FOLDER / "small", FOLDER / "large", FOLDER / "database"
ROWS = 20_000
local = threading.local()


def prepare():
    """Make the files; whoever comes second finds them as they are to be."""
    FOLDER.mkdir(exist_ok=True)
    for path, size in ((SMALL, 4096), (LARGE, 16 * 1024 * 1024)):
        if not path.exists() or path.stat().st_size != size:
            _replace(path, lambda new, size=size: new.write_bytes(os.urandom(size)))
    if not DATABASE.exists():
        _replace(DATABASE, _fill)


def _replace(path, write):
    new = path.with_suffix(f".{os.getpid()}")
    write(new)
    new.replace(path)


def _fill(path):
    database = sqlite3.connect(path)
    with database:
        database.execute("create table pages (number integer primary key, title text, size real)")
        rows = ((number, f"page {number}", number * 0.5) for number in range(ROWS))
        database.executemany("insert into pages values (?, ?, ?)", rows)
    database.close()


prepare()


def read_small(item):
    return len(SMALL.read_bytes())


def read_large(item):
    with LARGE.open("rb", buffering=0) as file:
        return len(file.read())


def write_and_sync(item):
    path = FOLDER / f"written-{os.getpid()}-{threading.get_ident()}"
    with path.open("wb") as file:
        file.write(bytes(16 * 1024))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    return item


def connection():
    if not hasattr(local, "connection"):
        local.connection = sqlite3.connect(DATABASE, timeout=60)
    return local.connection


def query(item):
    """A scan of all rows: C code that lets go of the interpreter."""
    statement = "select sum(size), max(title) from pages where title like ?"
    return connection().execute(statement, (f"%{item % 10}%",)).fetchone()


def fetch_rows(item):
    """Rows made into Python's objects: the interpreter is needed for each."""
    return len(connection().execute("select * from pages limit 2000").fetchall())


def commit(item):
    path = FOLDER / f"commits-{os.getpid()}-{threading.get_ident()}"
    database = sqlite3.connect(path, timeout=60)
    with database:
        database.execute("create table if not exists log (item integer)")
        database.execute("insert into log values (?)", (item,))
    database.close()
    return item
