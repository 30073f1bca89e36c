"""The items of the work, and which of them a round takes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from nalsil._compare.usage import UsageError

DEFAULT = 200
"""How many units there are if nobody says."""

MOST = 1_000_000
"""How many items are taken of an iterable before it is held to be endless."""


def find_items(module: ModuleType, wanted: int | str) -> Sequence[Any]:
    """Return the items: the numbers below `wanted`, or what the module has under that name.

    Raises:
        UsageError: if there are none, or no end to them.
    """
    if isinstance(wanted, int):
        return range(wanted)
    source = getattr(module, wanted, None)
    if source is None:
        raise UsageError(
            f"`{module.__name__}` has no `{wanted}` for --items; hint: name an iterable or a "
            "function of the same file, or give a number"
        )
    items = _listed(source, wanted)
    if not items:
        raise UsageError(f"`{wanted}` has no items; hint: at least one is needed")
    if len(items) > MOST:
        raise UsageError(
            f"`{wanted}` has more than {MOST} items; hint: cut it with itertools.islice"
        )
    return items


def _listed(source: Any, name: str) -> Sequence[Any]:
    try:
        found: Iterable[Any] = source() if callable(source) else source
        return found if isinstance(found, range) else list(itertools.islice(found, MOST + 1))
    except Exception as error:
        raise UsageError(
            f"cannot take the items of `{name}`: {type(error).__name__}: {error}; hint: --items "
            "names an iterable, or a function without arguments that returns one"
        ) from error


def for_checks(count: int, items: int) -> Sequence[int]:
    """Return the indices of the items whose results are compared.

    The first of a shuffle that is always the same: who checks fewer checks a part of what the
    others check, so that there is something to compare.
    """
    if count >= items:
        return range(items)
    order = list(range(items))
    random.Random(0).shuffle(order)
    return order[:count]


def for_round(count: int, items: int, seed: int) -> Sequence[int]:
    """Return the indices of the items that a round takes, in their own order.

    All of them, or one at random of each of `count` stretches of equal length: items that take
    longer than others often lie side by side, and so each form meets its part of them.
    """
    if count >= items:
        return range(items)
    pick = random.Random(seed)
    return [int((stretch + pick.random()) * items / count) for stretch in range(count)]
