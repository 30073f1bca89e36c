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
from .session import Session
from .suites import SUITES, Unavailable, home
from .supervise import CannotStart, Target
from .tables import Scope
from .verdicts import Report, Settings

STATUS_SECONDS = 10.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Run the tests of others on another event loop and another thread pool.",
    )
    parser.add_argument(
        "--loop", default="nalsil", help="whose: nalsil (default), asyncio (the stock ones), uvloop"
    )
    parser.add_argument(
        "--suite", metavar="A,B", help=f"only these suites, of {', '.join(SUITES)} (all)"
    )
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


def chosen_suites(scope: Scope, options: argparse.Namespace) -> list[str]:
    """The suites to run: the named ones, or those of the named modules, or all."""
    if options.suite:
        names = options.suite.split(",")
        unknown = sorted(set(names) - set(SUITES))
        if unknown:
            sys.exit(f"error: no suite `{unknown[0]}`; hint: there are {', '.join(SUITES)}")
        return names
    if options.modules:
        named = {scope.suite_of(module) or "asyncio" for module in options.modules.split(",")}
        return [suite for suite in SUITES if suite in named]
    return list(SUITES)


def chosen_targets(scope: Scope, options: argparse.Namespace) -> list[Target]:
    """The modules to run; tells of suites that are not to be had, and of a module that is not."""
    wanted = options.modules.split(",") if options.modules else []
    targets = []
    for suite in chosen_suites(scope, options):
        try:
            found = home(suite)
        except Unavailable as error:
            if options.suite or options.modules:
                sys.exit(f"error: {error}")
            say(f"{suite}: not run: {error}")
            continue
        table = scope.suites[suite]
        names = [*table.modules, *(table.later if options.all else ())]
        if wanted:
            names = [name for name in wanted if (scope.suite_of(name) or "asyncio") == suite]
        present = found.existing(names)
        say(f"{suite}: {found.title}, {len(present)} modules")
        targets += [Target(suite, name, found.folder) for name in present]
    missing = sorted(set(wanted) - {target.module for target in targets})
    if missing:
        sys.exit(f"error: there is no test module `{missing[0]}` here")
    return targets


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
    return sorted((one.result() for one in futures.values()), key=in_order)


def in_order(one: Report) -> tuple[int, str]:
    return SUITES.index(one.suite), one.module


def summarize(reports: list[Report], seconds: float, *, quiet: bool) -> None:
    if not quiet:
        for text in report.details(reports):
            say(text)
    say(f"\n{report.table(reports, seconds)}\n")
    say("\n".join(report.claim(reports)))
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
    if importlib.util.find_spec(options.loop) is None:
        sys.exit(f"error: this Python has no module `{options.loop}`; hint: install it first")
    settings = Settings(options.loop, options.k, options.all, options.timeout)
    session = Session(settings, options.jobs, say)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the children end too
    say(f"python {platform.python_version()}, loop and pool of {options.loop}")
    targets = chosen_targets(session.scope, options)
    if not targets:
        sys.exit("error: no tests to run; hint: use a Python built from source")
    started = time.monotonic()
    try:
        reports = follow(session, session.start(targets))
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
