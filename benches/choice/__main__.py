"""The command line of the suite: what to judge, progress, results kept as they come."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benches.choice import prediction, sampler, server, verdicts

PARTS = {part.NAME: part for part in (verdicts, prediction, sampler)}
RUNS = Path(__file__).parent.parent / "runs"
sys.path.insert(0, str(RUNS.parent))
import machine  # noqa: E402


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benches.choice", description="Judge what `nalsil compare` says."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--quick", action="store_true", help="fewer works, less time for each")
    parser.add_argument("--only", metavar="WORD", help="works whose name contains the word")
    parser.add_argument("--again", action="store_true", help="measure what was measured already")
    parser.add_argument("--list", action="store_true", help="print the works and end")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: runs/<date>-<machine>-choice"
    )
    options = parser.parse_args(given)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"no part is called `{part}`; hint: one of {', '.join(PARTS)}")
    return options


def folder(options: argparse.Namespace) -> Path:
    """Where results are kept: a part of a run does not mix with a whole one."""
    if options.out:
        return Path(options.out)
    end = "choice-part" if options.quick or options.only else "choice"
    return RUNS / f"{datetime.now(UTC):%Y-%m-%d}-{machine.short_name()}-{end}"


def selected(part: Any, options: argparse.Namespace) -> list[Any]:
    found = []
    for work in part.chosen(quick=options.quick and not options.only):
        if options.only and options.only not in work.name:
            continue
        needs = getattr(work, "needs", None)
        if needs and importlib.util.find_spec(needs) is None:
            print(f"without {work.name}: no module named `{needs}`")
            continue
        found.append(work)
    # So that a run which is ended early has met works of every kind.
    random.Random(part.NAME).shuffle(found)
    return found


class Kept:
    """The results of one part, on disk after each work, so that a run can be resumed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, dict[str, Any]] = {}
        if path.exists():
            self.outcomes = {each["work"]: each for each in json.loads(path.read_text())["works"]}

    def add(self, outcome: dict[str, Any], facts: dict[str, str]) -> None:
        self.outcomes[outcome["work"]] = outcome
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        text = json.dumps({"machine": facts, "works": list(self.outcomes.values())}, indent=1)
        new.write_text(text + "\n")
        new.replace(self.path)


def judge(part: Any, options: argparse.Namespace, out: Path) -> list[dict[str, Any]]:
    """Measure the works of a part; those that are kept from before are not measured again."""
    works = selected(part, options)
    kept = Kept(out / f"{part.NAME}.json")
    for position, work in enumerate(works, start=1):
        prefix = f"[{part.NAME} {position}/{len(works)}] {work.name:<36}"
        known = kept.outcomes.get(work.name)
        if known and not options.again and getattr(part, "is_settled", bool)(known):
            print(prefix, "kept", flush=True)
            continue
        began, load = time.monotonic(), machine.load()
        try:
            outcome = part.measure(work, quick=options.quick)
        except (RuntimeError, KeyError, subprocess.SubprocessError):
            print(prefix, "FAILED", flush=True)
            traceback.print_exc()
            continue
        took = time.monotonic() - began
        kept.add({**outcome, "load": load, "took_s": took}, machine.facts())
        row = "  ".join(part.rows([outcome])[0][1:])
        print(f"{prefix} {took:4.0f} s  {row}", flush=True)
    return [kept.outcomes[work.name] for work in works if work.name in kept.outcomes]


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    filled = [list(header), *map(list, lines)]
    widths = [max(len(line[column]) for line in filled) for column in range(len(header))]
    filled.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| "
        + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        + " |"
        for line in filled
    )


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    parts = [PARTS[name] for name in options.parts or PARTS]
    with server.running():
        if options.list:
            for part in parts:
                print("\n".join(f"{part.NAME:<12}{work.name}" for work in selected(part, options)))
            return 0
        out = folder(options)
        texts = [f"# Verdicts, predictions and the sampler\n\n{facts()}"]
        for part in parts:
            outcomes = judge(part, options, out)
            if outcomes:
                shown = table(part.HEADER, part.rows(outcomes))
                texts.append(f"## {part.NAME}\n\n{shown}\n\n{part.conclusion(outcomes)}")
                print(f"\n{shown}\n\n{part.conclusion(outcomes)}\n", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text("\n\n".join(texts) + "\n")
    print(f"written to {os.path.relpath(out)}")
    return 0


def facts() -> str:
    found = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **machine.facts()}
    return "\n".join(f"- {name}: {value}" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main())
