"""The command line of `nalsil compare`."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from nalsil import _nalsil
from nalsil._compare.conductor import Conductor
from nalsil._compare.forms import FORMS
from nalsil._compare.items import DEFAULT, MOST
from nalsil._compare.options import Options
from nalsil._compare.progress import Progress
from nalsil._compare.rows import Row
from nalsil._compare.target import parse_target
from nalsil._compare.usage import UsageError

NOTHING_MEASURED, BAD_USAGE, OTHER_VERDICT, NOT_WRITTEN, INTERRUPTED = 1, 2, 3, 4, 130

Kind = Literal["json", "markdown", "html"]

DESCRIPTION = """\
Run one piece of work in every form it can take, measure each, and say which to choose and why.

A `def` runs as plain code, in threads, in processes, and in sub-interpreters on Python 3.14 and
later; an `async def` runs as coroutines. Give both and they are compared as one work.
"""

EPILOG = """\
examples:
  nalsil compare work.py:fetch                       the forms of one function, 200 units
  nalsil compare work.py:fetch,afetch --items urls   the blocking and the async version
  nalsil compare package.module:parse --items 1000 --html report.html
  nalsil compare work.py:fetch --executor dask=cluster:client
  nalsil compare work.py:fetch,afetch --require coroutines

`setup` and `teardown` of the file run around each measurement, if it has them.
exit status: 0, 1 if no form could be measured, 2 for bad usage, 3 if --require is not met,
4 if the report could not be written, 130 after Ctrl-C
"""

KINDS: dict[Kind, str] = {"json": "JSON", "markdown": "Markdown", "html": "one HTML page"}


def add_to(commands: Any) -> None:
    """Add the command to the others."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="run a piece of work in every form, and say which to choose",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=compare)
    parser.add_argument(
        "target",
        metavar="FILE.py:FUNC[,FUNC...]",
        help="the work: functions of a file, or of a module as package.module:FUNC; each takes one "
        "item or none",
    )
    _add_what(parser)
    _add_how_long(parser)
    _add_output(parser)


def _add_what(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to run")
    what.add_argument(
        "--items",
        metavar="N|NAME",
        default=str(DEFAULT),
        help="the numbers 0 to N-1, or an iterable (or a function that returns one) of the file "
        "(default: %(default)s)",
    )
    what.add_argument(
        "--concurrency",
        metavar="K,K,...",
        help="units in flight (default: a search for where more gains nothing)",
    )
    what.add_argument(
        "--executor",
        metavar="NAME=package.module:factory",
        action="append",
        default=[],
        help="also run on the concurrent.futures.Executor that this makes; may be repeated",
    )
    what.add_argument(
        "--stock", action="store_true", help="also run on stock asyncio and the stock pool"
    )


def _add_how_long(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how long")
    how.add_argument(
        "--budget", metavar="SECONDS", default="30", help="for all of it (default: %(default)s)"
    )
    how.add_argument(
        "--rounds",
        metavar="N",
        default="5",
        help="of those that may win, at least, if the budget allows (default: %(default)s)",
    )
    how.add_argument(
        "--timeout",
        metavar="SECONDS",
        help="for one measurement of a form, which is then killed (default: half the budget)",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    for name, what in KINDS.items():
        output.add_argument(
            f"--{name}", metavar="FILE", help=f"write the report as {what}; - is standard output"
        )
    output.add_argument(
        "--require", metavar="FORM", help="exit with status 3 if the verdict is another form"
    )
    output.add_argument("--no-color", action="store_true", help="no colours on a terminal")
    output.add_argument("--quiet", action="store_true", help="no progress on standard error")


def compare(arguments: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # What this terminal cannot show, it shows otherwise; a report must not fail for that.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = read_options(arguments)
        check_outputs(arguments)
        check_required(arguments.require, options)
        progress = Progress(sys.stderr, quiet=arguments.quiet, budget=options.budget)
        report = Conductor(options, progress).run()
    except UsageError as error:
        sys.stderr.write(f"nalsil compare: error: {error}\n")
        return BAD_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    # From here on there is nothing to save: another Ctrl-C ends the program as it always does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    judged = _nalsil.judge(json.dumps(report, allow_nan=False))
    try:
        write_outputs(judged, arguments)
    except BrokenPipeError:
        _close_stdout()
    except OSError as error:
        _close_stdout()
        sys.stderr.write(f"nalsil compare: error: cannot write the report: {error.strerror}\n")
        return NOT_WRITTEN
    return exit_status(json.loads(judged), arguments.require)


def _close_stdout() -> None:
    """Keep the interpreter from trying again at its end what has just failed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_status(report: Row, required: str | None) -> int:
    """Return the exit status for a report with its verdict."""
    if report["work"]["interrupted"]:
        return INTERRUPTED
    if not any(row["measured"] for row in report["forms"]):
        return NOTHING_MEASURED
    if required is not None and (report["verdict"] or {}).get("form") != required:
        return OTHER_VERDICT
    return 0


# Reading the command line


def read_options(arguments: argparse.Namespace) -> Options:
    """Return what the arguments ask for.

    Raises:
        UsageError: if one of them makes no sense.
    """
    items = read_items(arguments.items)
    timeout = arguments.timeout
    return Options(
        target_text=arguments.target,
        target=parse_target(arguments.target),
        items=items,
        items_source="range" if isinstance(items, int) else items,
        concurrency=read_concurrency(arguments.concurrency),
        rounds=_whole(arguments.rounds, "--rounds", "5"),
        budget=_seconds(arguments.budget, "--budget", 1.0),
        timeout=None if timeout is None else _seconds(timeout, "--timeout", 0.1),
        executors=tuple(map(read_executor, _once(arguments.executor))),
        stock=arguments.stock,
    )


def read_items(text: str) -> int | str:
    """Return the number of items, or the name of what holds them."""
    if text.isidentifier():
        return text
    count = _whole(text, "--items", "200, or a name of the file")
    if count > MOST:
        raise UsageError(f"`--items {text}` is more than {MOST}; hint: take fewer")
    return count


def read_concurrency(text: str | None) -> tuple[int, ...] | None:
    """Return the concurrencies that are asked for, ascending."""
    if text is None:
        return None
    steps = {_whole(step.strip(), "--concurrency", "1,8,64") for step in text.split(",")}
    if max(steps) > 100_000:
        raise UsageError(f"`--concurrency {text}` is more than 100000; hint: start with 1024")
    return tuple(sorted(steps))


def read_executor(text: str) -> tuple[str, str]:
    """Return the name of an executor and the place of what makes it."""
    name, equals, place = text.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*:\w+", place):
        raise UsageError(
            f"`--executor {text}` is not understood; hint: --executor NAME=package.module:factory"
        )
    if not re.fullmatch(r"[\w-]+", name) or name in FORMS:
        raise UsageError(f"`{name}` cannot name an executor; hint: take another name")
    return name, place


def _once(texts: Sequence[str]) -> Sequence[str]:
    names = [text.partition("=")[0] for text in texts]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two executors are named `{name}`; hint: give each its own name")
    return texts


def _whole(text: str, option: str, example: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < 1:
        raise UsageError(f"`{option} {text}` is no number of 1 or more; hint: {option} {example}")
    return int(text)


def _seconds(text: str, option: str, least: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (least <= seconds < math.inf):
        raise UsageError(
            f"`{option} {text}` is no number of seconds, {least:g} or more; hint: {option} 30"
        )
    return seconds


def check_required(required: str | None, options: Options) -> None:
    """Raise UsageError if no verdict could ever name the required form."""
    names = [*FORMS, *(name for name, _ in options.executors)]
    if required is not None and required not in names:
        raise UsageError(f"`--require {required}` is no form; hint: one of {', '.join(names)}")


# Writing the report


def check_outputs(arguments: argparse.Namespace) -> None:
    """Raise UsageError if a file of the report cannot be written, before anything is measured."""
    files = [(name, getattr(arguments, name)) for name in KINDS]
    if sum(file == "-" for _, file in files) > 1:
        raise UsageError("two reports go to standard output; hint: give one of them a file")
    for name, file in files:
        if file not in (None, "-") and (reason := _why_not_writable(Path(file))):
            raise UsageError(f"cannot write `--{name} {file}`: {reason}; hint: name another file")


def _why_not_writable(path: Path) -> str | None:
    """Try it: rights alone do not tell. A file that was not there is not left behind."""
    if not path.absolute().parent.is_dir():
        return f"there is no directory `{path.parent}`"
    is_new = not path.exists()
    try:
        with open(path, "ab"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def write_outputs(judged: str, arguments: argparse.Namespace) -> None:
    """Write the report where it is wanted, and the table unless standard output has another."""
    wanted = {name: getattr(arguments, name) for name in KINDS}
    for name, file in wanted.items():
        if file is None:
            continue
        text = _pretty(judged) if name == "json" else _nalsil.render(judged, name)
        if file == "-":
            sys.stdout.write(f"{text.rstrip()}\n")
        else:
            Path(file).write_text(f"{text.rstrip()}\n", encoding="utf-8")
    if "-" in wanted.values():
        return
    is_terminal = sys.stdout.isatty()
    plain = arguments.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    sys.stdout.write(
        f"{_nalsil.render(judged, 'text', color=is_terminal and not plain, width=width).rstrip()}\n"
    )
    for file in filter(None, wanted.values()):
        sys.stdout.write(f"written: {file}\n")
    sys.stdout.flush()


def _pretty(judged: str) -> str:
    return json.dumps(json.loads(judged), indent=2)
