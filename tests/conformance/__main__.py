"""The command `python -m tests.conformance`."""

from __future__ import annotations

import argparse
import importlib.util
import platform
import signal
import sys
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from . import report, verdicts
from .session import Session, existing, has_suite
from .supervise import CannotStart
from .verdicts import Report, Settings

STATUS_SECONDS = 10.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Run this Python's own asyncio tests on another event loop.",
    )
    parser.add_argument("--loop", default="nalsil", help="nalsil (default), asyncio, uvloop")
    parser.add_argument("--modules", metavar="A,B", help="only these modules, also later ones")
    parser.add_argument("-k", metavar="PATTERN", default="", help="only tests that match")
    parser.add_argument("--all", action="store_true", help="also what `scope.toml` leaves out")
    parser.add_argument("--jobs", type=int, default=2, help="modules at a time (default 2)")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for a test (30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE")
    parser.add_argument("--quiet", action="store_true", help="no tracebacks after the table")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, flush=True)


def chosen_modules(session: Session, wanted: str | None, everything: bool) -> list[str]:
    names = wanted.split(",") if wanted else list(session.scope.modules)
    if everything and not wanted:
        names += session.scope.later
    found = existing(names)
    if wanted and set(found) != set(names):
        missing = ", ".join(sorted(set(names) - set(found)))
        sys.exit(f"error: this Python has no test module `{missing}`")
    return found


def follow(session: Session, futures: dict[str, Future[Report]]) -> list[Report]:
    """Wait for all modules, with a line from time to time on what runs."""
    pending = set(futures.values())
    said = time.monotonic()
    while pending:
        finished, pending = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
        if time.monotonic() - said > STATUS_SECONDS:
            said = time.monotonic()
            say(f"  ... {session.status()}")
    return [futures[name].result() for name in sorted(futures)]


def summarize(reports: list[Report], seconds: float, *, quiet: bool) -> None:
    if not quiet:
        for text in report.details(reports):
            say(text)
    say(f"\n{report.table(reports, seconds)}\n\n{report.claim(reports)}")
    stock = report.listing(reports, verdicts.ENVIRONMENT)
    say_list("fail on the stock loop too, here:", stock)
    say_list("excepted:", report.listing(reports, verdicts.EXCEPTED))
    say_list("failures by cause:", [*report.by_cause(reports), *report.stale_entries(reports)])


def say_list(title: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        say("\n".join(["", title, *found]))


def main() -> int:
    options = arguments()
    if not has_suite():
        sys.exit("error: this Python has no `test.test_asyncio`; hint: use one built from source")
    if importlib.util.find_spec(options.loop) is None:
        sys.exit(f"error: this Python has no module `{options.loop}`; hint: install it first")
    settings = Settings(options.loop, options.k, options.all, options.timeout)
    session = Session(settings, options.jobs, say)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the children end too
    modules = chosen_modules(session, options.modules, options.all)
    say(f"python {platform.python_version()}, loop {options.loop}, {len(modules)} modules")
    started = time.monotonic()
    try:
        reports = follow(session, session.start(modules))
    except CannotStart as error:
        sys.exit(f"error: {error}")
    finally:
        session.close()
    seconds = time.monotonic() - started
    summarize(reports, seconds, quiet=options.quiet)
    if options.json:
        report.write_json(options.json, reports, seconds)
    ok = all(one.ok for one in reports)
    say("\nok" if ok else "\nfailed")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
