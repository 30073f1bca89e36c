"""The work as a child process holds it: loaded, and ready to be called."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from nalsil._compare.failures import Failures
from nalsil._compare.items import find_items, for_checks, for_round
from nalsil._compare.protocol import Message
from nalsil._compare.target import Function, Target, find_fixture, find_function, load
from nalsil._compare.usage import UsageError

Fixture = Callable[[], Any]


class FixtureFailed(Exception):
    """`setup` or `teardown` of the work has raised; the cause is its exception."""


@dataclass(frozen=True)
class Work:
    """One function of the work, its items, and what surrounds a measurement of it."""

    target: Target
    wanted_items: int | str
    module: ModuleType
    functions: tuple[Function, ...]
    items: Sequence[Any]
    setup: Fixture | None
    teardown: Fixture | None

    @classmethod
    def load(cls, target: Target, wanted_items: int | str) -> Work:
        """Import the work.

        Raises:
            UsageError: if anything of it is missing or has the wrong shape.
        """
        module = load(target)
        functions = tuple(find_function(module, name) for name in target.functions)
        items = find_items(module, wanted_items)
        if isinstance(wanted_items, str) and not any(f.takes_item for f in functions):
            raise UsageError(
                f"`{functions[0].name}` takes no item, so `--items {wanted_items}` has no use; "
                "hint: give it one parameter, or --items a number"
            )
        setup, teardown = (find_fixture(module, name) for name in ("setup", "teardown"))
        return cls(target, wanted_items, module, functions, items, setup, teardown)

    def function(self, name: str) -> Function:
        """Return one of the functions by its name."""
        return next(function for function in self.functions if function.name == name)


@contextlib.contextmanager
def surroundings(work: Work) -> Iterator[None]:
    """Run `setup` before and `teardown` after what stands inside.

    Raises:
        FixtureFailed: if one of them does.
    """
    with asyncio.Runner() if _any_async(work) else contextlib.nullcontext() as runner:
        _run_fixture(work.setup, runner)
        try:
            yield
        finally:
            _run_fixture(work.teardown, runner)


def _any_async(work: Work) -> bool:
    return any(map(inspect.iscoroutinefunction, (work.setup, work.teardown)))


def _run_fixture(fixture: Fixture | None, runner: asyncio.Runner | None) -> None:
    if fixture is None:
        return
    try:
        if runner is not None and inspect.iscoroutinefunction(fixture):
            runner.run(fixture())
        else:
            fixture()
    except BaseException as error:
        raise FixtureFailed(fixture.__name__) from error


def run_setup(work: Work) -> None:
    """Run `setup` in a process that nobody will run `teardown` in.

    Raises:
        FixtureFailed: if it raises.
    """
    with asyncio.Runner() if _any_async(work) else contextlib.nullcontext() as runner:
        _run_fixture(work.setup, runner)


async def run_fixture(fixture: Fixture | None) -> None:
    """Run `setup` or `teardown` on the loop on which the work runs.

    Raises:
        FixtureFailed: if it does.
    """
    if fixture is None:
        return
    try:
        result = fixture()
        if inspect.isawaitable(result):
            await result
    except BaseException as error:
        raise FixtureFailed(fixture.__name__) from error


@dataclass
class Order:
    """One measurement, as the parent asks for it.

    Attributes:
        concurrency: units in flight.
        check: indices of the items whose results are digested, before anything is timed.
        warm: how many units run before the clock does.
        indices: those of the items of a pass.
        passes: how often these run, one pass after another.
        check_timed: whether to digest the timed units too, which pays if they take seconds.
    """

    function: str
    concurrency: int
    check: Sequence[int]
    warm: int
    indices: Sequence[int]
    passes: int
    check_timed: bool = False

    @classmethod
    def of(cls, message: Message, items: int) -> Order:
        """Return the order in a message, for work with so many items."""
        count, is_checked = message["count"], message["check_timed"]
        taken = for_round(count, items, message["seed"])
        return cls(
            message["function"],
            message["concurrency"],
            for_checks(message["check"], items),
            message["warm"],
            for_checks(count, items) if is_checked else taken,
            message["passes"],
            is_checked,
        )


@dataclass
class Check:
    """What the digested units of one measurement gave."""

    digests: dict[int, str] = field(default_factory=dict)
    opaque: set[str] = field(default_factory=set)
    latencies: list[int] = field(default_factory=list)


class Unpicklable(Exception):
    """An item or a result cannot go from one process to another; the text says which."""


class Stray(Exception):
    """The work has forked, and both processes came back from the call."""


class Fork:
    """Whether a call came back in a fork of the process that made it.

    Such a process would go on with our work as if it were the one that was asked.
    """

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._seen = mmap.mmap(-1, 1)

    def check(self) -> None:
        """End this process if it is such a fork, and leave a note for who was asked."""
        if os.getpid() != self._owner:
            self._seen[0] = 1
            os._exit(0)

    def raise_if_seen(self) -> None:
        """Raise Stray if there was such a fork."""
        if self._seen[0]:
            raise Stray


@dataclass
class Tally:
    """What one measurement notes down while it runs."""

    path: str | None
    failures: Failures
    check: Check = field(default_factory=Check)
    fork: Fork = field(default_factory=Fork)

    @classmethod
    def of(cls, work: Work) -> Tally:
        """Return an empty one, which knows the file of the work."""
        path = work.target.path or getattr(work.module, "__file__", None)
        return cls(path, Failures(path))
