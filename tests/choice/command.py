"""Runs `nalsil compare` in a process group of its own and finds what it may have left behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

MARK = "NALSIL_TEST_MARK"
"""The variable by which the descendants of a command are known, wherever they went."""

SHORT = ("--items", "8", "--concurrency", "1,4", "--rounds", "3", "--budget", "4")
"""What a test measures unless it says otherwise; a later option replaces an earlier one."""

GRACE_SECONDS = 10
"""How long a process that was killed may take to be gone."""

COLUMNS = 100


def standard_json(text: str) -> Any:
    """Parse JSON as its standard has it: Python would take `NaN` and `Infinity` too."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"`{constant}` is not JSON")

    return json.loads(text, parse_constant=refuse)


@dataclass(frozen=True)
class Answer:
    """What the command did."""

    status: int
    text: str
    complaint: str
    report: dict[str, Any] | None
    seconds: float

    def rows(self, form: str) -> list[dict[str, Any]]:
        """The rows of a form, one for each concurrency."""
        assert self.report is not None, self.complaint
        return [row for row in self.report["forms"] if row["form"] == form]

    def row(self, form: str) -> dict[str, Any]:
        """The row of a form's best concurrency, or the only one it has."""
        rows = self.rows(form)
        assert rows, f"no row `{form}` in {[row['form'] for row in self.report['forms']]}"
        best = [row for row in rows if row["best"]]
        assert len(best) == 1 or len(rows) == 1, rows
        return best[0] if best else rows[0]

    def outcomes(self, form: str) -> set[str]:
        """How a form came out at the concurrencies for which there was time."""
        return {row["status"] for row in self.rows(form)} - {"skipped"}

    @property
    def verdict(self) -> dict[str, Any]:
        assert self.report is not None, self.complaint
        return self.report["verdict"]

    @property
    def statuses(self) -> set[str]:
        """How the rows that were measured came out."""
        assert self.report is not None, self.complaint
        return {row["status"] for row in self.report["forms"] if row["measured"]}

    @property
    def measured(self) -> set[str]:
        """The forms that were."""
        assert self.report is not None, self.complaint
        return {row["form"] for row in self.report["forms"] if row["measured"]}


@dataclass
class Command:
    """Runs the command in `folder`."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def line(self, target: str, *options: str) -> list[str]:
        return [sys.executable, "-m", "nalsil", "compare", target, *options]

    def environment(self, **variables: str) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        return {**inherited, MARK: self.mark, **variables}

    def run(
        self,
        target: str,
        *options: str,
        short: Sequence[str] = SHORT,
        json_file: str | None = "report.json",
        variables: dict[str, str] | None = None,
    ) -> Answer:
        """Run it to its end; `json_file` None asks for no JSON."""
        wanted = ["--json", json_file] if json_file else []
        began = time.monotonic()
        process = subprocess.run(
            self.line(target, *short, *wanted, *options),
            cwd=self.folder,
            env=self.environment(**(variables or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        seconds = time.monotonic() - began
        return Answer(
            process.returncode,
            process.stdout,
            process.stderr,
            self.report(json_file) if json_file else None,
            seconds,
        )

    def report(self, name: str = "report.json") -> dict[str, Any] | None:
        path = self.folder / name
        return standard_json(path.read_text()) if path.exists() else None

    @contextlib.contextmanager
    def started(
        self, target: str, *options: str, short: Sequence[str] = SHORT, **pipes: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """The command while it runs, in a session of its own; killed if it still does."""
        process = subprocess.Popen(
            self.line(target, *short, *options),
            cwd=self.folder,
            env=pipes.pop("env", self.environment()),
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "text": True, **pipes},
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def left_behind(self) -> dict[int, str]:
        """What still runs of all that the command started, after a time to be gone."""
        until = time.monotonic() + GRACE_SECONDS
        while (found := marked(self.mark)) and time.monotonic() < until:
            time.sleep(0.01)
        return found


def marked(mark: str) -> dict[int, str]:
    """The running processes whose environment carries the mark, with their command lines."""
    wanted = f"{MARK}={mark}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = line.decode(errors="replace").strip()
    return found


def widest(text: str) -> int:
    """The columns of the longest line."""
    return max((len(line) for line in text.splitlines()), default=0)
