"""Importing nalsil patches nothing: it takes effect where a program asks for it."""

from __future__ import annotations

import json
import subprocess
import sys

WATCHED = (
    "asyncio",
    "asyncio.base_events",
    "asyncio.events",
    "asyncio.runners",
    "asyncio.tasks",
    "asyncio.unix_events",
    "concurrent.futures",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "threading",
    "time",
    "warnings",
)

COMPARE = """
import importlib, json, os, signal, sys, threading, warnings

def attributes(module):
    return {name: id(getattr(module, name)) for name in dir(module) if name in vars(module)}

def process():
    return {
        "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
        "wakeup": _wakeup(),
        "threads": threading.active_count(),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "warnings": [str(entry) for entry in warnings.filters],
        "switch interval": sys.getswitchinterval(),
        "hooks": [str(sys.excepthook), str(sys.unraisablehook), str(threading.excepthook)],
        "policy": str(getattr(events, "_event_loop_policy", None)),
        "generator hooks": str(sys.get_asyncgen_hooks()),
    }

def _wakeup():
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    return descriptor

import asyncio.events as events
modules = {name: importlib.import_module(name) for name in json.loads(sys.argv[1])}
for module in modules.values():
    # Some modules load a public name when it is first asked for.
    for name in getattr(module, "__all__", ()):
        getattr(module, name)
kept = {name: dict(vars(module)) for name, module in modules.items()}
before = {name: attributes(module) for name, module in modules.items()}, process()
import nalsil
after = {name: attributes(module) for name, module in modules.items()}, process()

changed = [
    f"{module}.{name}"
    for module, names in before[0].items()
    for name, identity in names.items()
    if after[0][module].get(name) != identity
]
added = [
    f"{module}.{name}"
    for module, names in after[0].items()
    for name in names
    if name not in before[0][module]
    and f"{module}.{name}" not in sys.modules
]
changed += [what for what, value in before[1].items() if after[1][what] != value]
print(json.dumps({"changed": changed, "added": added}))
"""


def test_importing_patches_nothing() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", COMPARE, json.dumps(WATCHED)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert json.loads(answer.stdout) == {"changed": [], "added": []}


def test_importing_leaves_the_default_loop_alone() -> None:
    program = "import asyncio, nalsil\nprint(type(asyncio.new_event_loop()).__module__)"
    answer = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert answer.stdout == "asyncio.unix_events\n"


def test_all_names_exist() -> None:
    program = "import nalsil\nprint([n for n in nalsil.__all__ if not hasattr(nalsil, n)])"
    answer = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert answer.stdout == "[]\n"
