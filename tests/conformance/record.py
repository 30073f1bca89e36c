"""Tells the parent of a child process what the tests do, as it happens."""

from __future__ import annotations

import faulthandler
import io
import json
import os
import time
from typing import Any

from .made import Made


class Watch:
    """Writes events and keeps the timer that dumps the stacks of a test that hangs."""

    def __init__(self, descriptor: int, stacks: io.FileIO, seconds: float) -> None:
        os.set_inheritable(descriptor, False)
        self.descriptor = descriptor
        self.stacks = stacks
        self.seconds = seconds

    def event(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"event": kind, **fields}) + "\n"
        data = line.encode()
        while data:
            data = data[os.write(self.descriptor, data) :]
        faulthandler.dump_traceback_later(self.seconds, file=self.stacks)


class Record:
    """The test that runs: its start, its outcome and what it made."""

    def __init__(self, watch: Watch, made: Made) -> None:
        self.watch = watch
        self.made = made
        self.begin()

    def begin(self) -> None:
        self.outcome = "passed"
        self.detail = ""
        self.static = False
        self.started = time.monotonic()

    def start(self, test: str) -> None:
        self.begin()
        self.made.take()
        self.watch.event("start", test=test)

    def stop(self, test: str) -> None:
        self.watch.event(
            "stop",
            test=test,
            outcome=self.outcome,
            detail=self.detail,
            static=self.static,
            seconds=time.monotonic() - self.started,
            **self.made.take(),
        )

    def fail(self, text: str) -> None:
        before = self.detail + "\n" if self.outcome == "failed" else ""
        self.outcome, self.detail = "failed", before + text

    def skip(self, reason: str, *, static: bool) -> None:
        """Record a skip; `static`: it was decided without any loop or pool."""
        if self.outcome == "passed":
            self.outcome, self.detail, self.static = "skipped", reason, static
