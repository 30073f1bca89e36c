"""Facts about the machine and the interpreter that a reader needs to trust a number."""

import importlib.metadata
import os
import platform
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

YARDSTICK_LOOPS = 1_000_000
PACKAGES = ("uvicorn", "httptools")


def short_name() -> str:
    """The machine in a few characters that name nobody, such as `x86_64-2core`."""
    return f"{platform.machine()}-{os.cpu_count()}core"


def facts() -> dict[str, str]:
    """What to print above the tables, in order."""
    return {
        "processor": _cpu_model(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()}",
        "C library": " ".join(platform.libc_ver()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python built with": _build(),
        "python yardstick": f"{yardstick():.1f} ns per turn of an empty `for` loop",
    }


def versions() -> dict[str, str]:
    """The versions of the packages some rows need, as far as they are installed."""
    found = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def load() -> str:
    """The load averages of the last 1, 5 and 15 minutes."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def yardstick() -> float:
    """Nanoseconds per turn of an empty loop, best of five.

    The build flags do not always tell whether an interpreter was built with profile-guided
    optimisation; this does.
    """
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter_ns()
        for _ in range(YARDSTICK_LOOPS):
            pass
        best = min(best, (time.perf_counter_ns() - start) / YARDSTICK_LOOPS)
    return best


def busy_seconds() -> float:
    """CPU seconds all programs of the machine have used since it started (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split()[1:9]
    )
    ticks = user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """CPU seconds this process and its ended children have used."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _build() -> str:
    """The flags that decide how fast the interpreter itself is."""
    flags = str(sysconfig.get_config_var("PY_CFLAGS") or "").split()
    levels = [flag for flag in flags if flag.startswith("-O")]
    asked = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    options = {
        "--enable-optimizations": "--enable-optimizations" in asked,
        "--with-lto": "--with-lto" in asked,
        "--disable-gil": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "--with-pydebug": hasattr(sys, "gettotalrefcount"),
    }
    named = ", ".join(f"{'' if given else 'no '}{option}" for option, given in options.items())
    return f"{levels[-1] if levels else 'unknown -O level'}; {named}"
