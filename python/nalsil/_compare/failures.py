"""What went wrong in units of the work, counted."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

OURS = str(Path(__file__).parent)

LONGEST = 300
"""How many characters of an error's text are kept."""

MOST_KINDS = 20
"""How many different errors of one measurement are kept apart."""


class Failure(NamedTuple):
    """An error of a unit, in a form that goes from one process to another."""

    type: str
    message: str
    where: str | None


class Failures:
    """The errors of one measurement, by what they are and where they came from."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._counts: dict[Failure, int] = {}
        self.total = 0

    def note(self, error: BaseException) -> Failure:
        """Count an exception that a unit has raised."""
        failure = failure_of(error, self._path)
        self.add(failure)
        return failure

    def add(self, failure: Failure, count: int = 1) -> None:
        """Count a failure."""
        with self._lock:
            self.total += count
            if failure in self._counts or len(self._counts) < MOST_KINDS:
                self._counts[failure] = self._counts.get(failure, 0) + count

    def rows(self) -> list[dict[str, Any]]:
        """Return the errors as the report has them, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda entry: -entry[1])
        return [{**failure._asdict(), "count": count} for failure, count in ordered]


def merged(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the errors of several measurements as one list."""
    failures = Failures(None)
    for row in rows:
        failures.add(Failure(row["type"], row["message"], row["where"]), row["count"])
    return failures.rows()


def failure_of(error: BaseException, path: str | None) -> Failure:
    """Return what the report says of an exception; `path` is the file of the work."""
    where = _line_of(error.__traceback__, path)
    if where is None and error.__cause__ is not None:
        where = where_in(_text_of(error.__cause__), path)
    lines = _text_of(error).strip().splitlines() or [""]
    return Failure(type(error).__name__, printable(lines[0]), where)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as odd:
        return f"its text cannot be told: {type(odd).__name__}"


def printable(text: str) -> str:
    """Return a text as one line that does nothing to a terminal, cut if it is long."""
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return "".join(letter if letter.isprintable() else " " for letter in cut)


def _line_of(traceback: TracebackType | None, path: str | None) -> str | None:
    """The last line of the work's own file, or else the last that is not ours."""
    own, foreign = None, None
    while traceback is not None:
        file, line = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        if path is not None and file == path:
            own = f"{Path(file).name}:{line}"
        elif not file.startswith((OURS, "<")):
            foreign = f"{Path(file).name}:{line}"
        traceback = traceback.tb_next
    return own or foreign


def where_in(text: str, path: str | None) -> str | None:
    """Return the newest line of the work's file that a traceback in words names."""
    found = frame_in(text, path)
    return found and found[0]


def frame_in(text: str, path: str | None) -> tuple[str, str] | None:
    """Return the newest line of the work's file in a traceback, and the function around it.

    Tracebacks of faulthandler have the newest call first, those of exceptions have it last.
    """
    if path is None:
        return None
    frames = re.findall(rf'File "{re.escape(path)}", line (\d+),? in (\S+)', text)
    if not frames:
        return None
    line, function = frames[0] if "most recent call first" in text else frames[-1]
    return f"{Path(path).name}:{line}", function
