"""The work that the command line names: where it is, and what can be called."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from nalsil._compare.failures import failure_of
from nalsil._compare.usage import UsageError

HINT = "hint: FILE.py:FUNC or package.module:FUNC, more functions after commas"


@dataclass(frozen=True)
class Target:
    """What stands before and after the colon.

    Attributes:
        module: the name under which it is imported.
        path: the file, if one was named; its folder is then searched first.
        functions: the names of the functions.
    """

    module: str
    path: str | None
    functions: tuple[str, ...]

    @property
    def folder(self) -> str | None:
        """The folder of the file."""
        return None if self.path is None else str(Path(self.path).parent)


def parse_target(text: str) -> Target:
    """Return what `text` names.

    Raises:
        UsageError: if it is neither form, or the file is not there.
    """
    place, colon, names = text.rpartition(":")
    functions = tuple(name.strip() for name in names.split(","))
    if not colon or not place:
        raise UsageError(f"`{text}` names no function; {HINT}")
    for name in functions:
        if not name.isidentifier():
            raise UsageError(f"`{name}` in `{text}` is no name of a function; {HINT}")
    if len(set(functions)) < len(functions):
        raise UsageError(f"`{text}` names a function twice; hint: name each once")
    if place.endswith(".py"):
        return _file_target(place, functions)
    if os.sep in place or not re.fullmatch(r"\w+(\.\w+)*", place):
        raise UsageError(f"`{place}` is neither a file that ends in .py nor a module; {HINT}")
    return Target(place, None, functions)


def _file_target(place: str, functions: tuple[str, ...]) -> Target:
    path = Path(place).resolve()
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise UsageError(f"`{place}` {what}; hint: the path is seen from `{Path.cwd()}`")
    if path.stem in sys.stdlib_module_names or path.stem == "nalsil":
        raise UsageError(
            f"`{place}` hides the module `{path.stem}` that others import; hint: rename the file"
        )
    if "." in path.stem:
        raise UsageError(f"`{place}` cannot be imported for its dots; hint: rename the file")
    return Target(path.stem, str(path), functions)


@dataclass(frozen=True)
class Function:
    """A function of the work, as its signature tells."""

    name: str
    call: Callable[..., Any]
    is_async: bool
    takes_item: bool


def load(target: Target) -> ModuleType:
    """Import the module of the work.

    Raises:
        UsageError: if that fails, with the error and its line.
    """
    if target.folder is not None:
        sys.path.insert(0, target.folder)
    shown = target.module if target.path is None else Path(target.path).name
    try:
        module = importlib.import_module(target.module)
    except BaseException as error:
        failure = failure_of(error, target.path)
        where = "" if failure.where is None else f" (at {failure.where})"
        raise UsageError(
            f"cannot import `{shown}`: {failure.type}: {failure.message}{where}; hint: "
            f"`python -c 'import {target.module}'` in its folder shows the whole traceback"
        ) from error
    file = getattr(module, "__file__", None)
    if target.path is not None and (file is None or not os.path.samefile(file, target.path)):
        raise UsageError(f"`import {target.module}` finds `{file}` first; hint: rename the file")
    return module


def find_function(module: ModuleType, name: str) -> Function:
    """Return a function of the module.

    Raises:
        UsageError: if it is missing, or cannot be called with one item or none.
    """
    call = getattr(module, name, None)
    if call is None:
        others = [other for other in vars(module) if _is_own_function(module, other)]
        hint = f"it has {', '.join(f'`{other}`' for other in others)}" if others else "define it"
        shown = Path(getattr(module, "__file__", None) or module.__name__).name
        raise UsageError(f"`{shown}` has no function `{name}`; hint: {hint}")
    if not callable(call):
        raise UsageError(f"`{name}` is no function but {type(call).__name__}; hint: name a def")
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise UsageError(
            f"`{name}` is a generator, so calling it runs nothing; hint: return a list instead"
        )
    return Function(name, call, _is_async(call), _takes_item(call, name))


def _is_own_function(module: ModuleType, name: str) -> bool:
    found = getattr(module, name)
    return inspect.isfunction(found) and found.__module__ == module.__name__


def _is_async(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(call, "__call__", None)  # noqa: B004 - the method itself is looked at
    )


def _takes_item(call: Callable[..., Any], name: str) -> bool:
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        # Builtins may not tell; those worth comparing take something.
        return True
    needed = [p for p in parameters if p.default is p.empty and p.kind not in _GATHERING]
    if any(p.kind is p.KEYWORD_ONLY for p in needed) or len(needed) > 1:
        wanted = ", ".join(p.name for p in needed)
        raise UsageError(
            f"`{name}` wants {len(needed)} arguments ({wanted}), but is called with one item or "
            "none; hint: take one item that holds them all, a tuple for instance"
        )
    return bool(needed)


_GATHERING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def find_fixture(module: ModuleType, name: str) -> Callable[[], Any] | None:
    """Return `setup` or `teardown` of the module, if it defines one that takes nothing.

    Raises:
        UsageError: if the one that it defines wants arguments.
    """
    if not hasattr(module, name) or not _is_own_function(module, name):
        return None
    call: Callable[[], Any] = getattr(module, name)
    if _takes_item(call, name):
        raise UsageError(f"`{name}` is run around each measurement and takes no argument")
    return call
