"""The documents that show what was measured, and the file that keeps it."""

from __future__ import annotations

from typing import Any

from tools.guide.marks import outputs_in, written
from tools.guide.values import of_probes
from tools.pythons import ROOT

MEASURED = ROOT / "docs" / "measured.json"

DOCUMENTS = [
    path
    for path in (
        ROOT / "README.md",
        ROOT / "README.ko.md",
        ROOT / "docs" / "choosing.md",
        ROOT / "docs" / "choosing.ko.md",
        ROOT / "docs" / "compare.md",
    )
    if path.exists()
]


def commands() -> list[str]:
    """The commands whose output the documents show, each once."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        found |= dict.fromkeys(command for command, _ in outputs_in(document.read_text()))
    return list(found)


def numbers_of(kept: dict[str, Any]) -> dict[str, str]:
    """Every number that a document may show, by its name, of what `MEASURED` keeps."""
    numbers: dict[str, str] = dict(kept["machine"])
    if kept["probes"]:
        numbers |= of_probes(kept["probes"])
    for report in kept["reports"].values():
        numbers |= report
    return numbers


def write(kept: dict[str, Any]) -> None:
    """Bring every document up to what was measured."""
    for document in DOCUMENTS:
        text = document.read_text()
        fresh = written(text, numbers_of(kept), kept["outputs"])
        if fresh != text:
            document.write_text(fresh)
            print(f"wrote {document.relative_to(ROOT)}")
