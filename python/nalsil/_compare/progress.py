"""What is being measured, on standard error, while it runs."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

REDRAW = 0.1
"""Seconds between two looks of the line on a terminal."""

BETWEEN_LINES = 5.0
"""Seconds between two lines where there is no terminal."""


class Progress:
    """One line that is drawn again on a terminal; elsewhere a line now and then."""

    def __init__(self, stream: TextIO, *, quiet: bool, budget: float) -> None:
        self._stream, self._quiet = stream, quiet
        self._is_terminal = not quiet and stream.isatty()
        self._ends = time.monotonic() + budget
        self._text = ""
        # What is over before the first line is due needs none.
        self._told = time.monotonic() - (BETWEEN_LINES if self._is_terminal else 0.0)
        self._drawn = False

    def show(self, text: str) -> None:
        """Say what is being done."""
        self._text = text
        self.tick()

    def tick(self) -> None:
        """Bring the line up to date, if it is time."""
        now = time.monotonic()
        every = REDRAW if self._is_terminal else BETWEEN_LINES
        if self._quiet or not self._text or now < self._told + every:
            return
        self._told = now
        line = f"{self._text} · {max(0.0, self._ends - now):.0f} s left"
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{line[:width]}")
            self._drawn = True
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False
        self._text = ""
