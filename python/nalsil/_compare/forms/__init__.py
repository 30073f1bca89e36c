"""The forms that a piece of work can take, each a way to run units and measure them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from nalsil._compare.reading import Reading
from nalsil._compare.work import Order, Work

Measure = Callable[[Work, Order], Reading]


class Form(NamedTuple):
    """A form by its name in the report.

    Attributes:
        runs_async: whether it takes an `async def`; all others take a `def`.
        scale: what its concurrency counts: "one", "tasks" that are cheap, or "cores".
        place: the module and the function that measure it.
    """

    name: str
    runs_async: bool
    scale: str
    place: str


_FORMS = (
    Form("plain", False, "one", "plain:measure"),
    Form("threads", False, "tasks", "threads:measure"),
    Form("stock threads", False, "tasks", "threads:measure_stock"),
    Form("coroutines", True, "tasks", "coroutines:measure"),
    Form("asyncio", True, "tasks", "coroutines:measure_stock"),
    Form("processes", False, "cores", "processes:measure"),
    Form("interpreters", False, "cores", "interpreters:measure"),
)

FORMS = {form.name: form for form in _FORMS}
"""All that need nothing but Python, the simple ones first."""

STOCK = ("stock threads", "asyncio")
"""Those that show what the standard library alone would do."""

HAS_INTERPRETERS = sys.version_info >= (3, 14)


SINCE_314 = "interpreters"
"""The form that needs Python 3.14."""


def executor_form(name: str, factory: str) -> Form:
    """Return the form of an executor of the user's, `factory` being `package.module:function`."""
    return Form(name, False, "executor", factory)


def measure_of(form: Form) -> Measure:
    """Return what measures a form in this process."""
    if form.scale == "executor":
        from nalsil._compare.forms.executors import Executors

        return Executors(form.place).measure
    module, _, function = form.place.partition(":")
    measure: Measure = getattr(import_module(f"nalsil._compare.forms.{module}"), function)
    return measure
