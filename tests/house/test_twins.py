"""A document and its Korean twin tell the same: structure, code, tables, links and numbers.

And both print the numbers that were measured last, which `make guide` keeps and writes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.guide.documents import DOCUMENTS, MEASURED, numbers_of
from tools.guide.marks import numbers_in, outputs_in, written

TWINS = ("README", "docs/choosing")

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Section:
    """What stands under one heading, as far as it is the same in every language."""

    level: int
    code: list[tuple[str, str]]
    marks: Counter[tuple[str, str]]
    tables: list[list[int]]
    links: Counter[str]
    numbers: Counter[str]


def sections(text: str) -> list[Section]:
    """The document cut before each heading; `#` in code is no heading."""
    hidden = FENCE.sub(lambda block: re.sub("^#", "\0", block[0], flags=re.MULTILINE), text)
    parts = re.split(r"^(?=#+ )", hidden, flags=re.MULTILINE)
    return [section(part.replace("\0", "#")) for part in parts if part.strip()]


def section(text: str) -> Section:
    prose = COMMENT.sub("", FENCE.sub("", text))
    links = [link for link in LINK.findall(prose) if not link.startswith("#")]
    words = LINK.sub("]", prose)
    return Section(
        level=len(text) - len(text.lstrip("#")),
        code=FENCE.findall(text),
        marks=Counter(numbers_in(text)),
        tables=tables(prose),
        links=Counter(link.replace(".ko.md", ".md") for link in links),
        numbers=Counter(re.findall(r"\d(?:[\d.,]*\d)?", words)),
    )


def tables(text: str) -> list[list[int]]:
    """The number of cells of each row of each table."""
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()] for table in found]


@pytest.mark.parametrize("name", TWINS)
def test_the_korean_twin_tells_the_same(root: Path, name: str) -> None:
    english = sections((root / f"{name}.md").read_text())
    korean = sections((root / f"{name}.ko.md").read_text())
    assert [part.level for part in korean] == [part.level for part in english]
    for ours, theirs in zip(korean, english, strict=True):
        assert ours == theirs


@pytest.mark.parametrize("name", TWINS)
def test_each_twin_names_the_other(root: Path, name: str) -> None:
    base = Path(name).name
    assert f"]({base}.ko.md)" in (root / f"{name}.md").read_text()
    assert f"]({base}.md)" in (root / f"{name}.ko.md").read_text()


@pytest.mark.parametrize("name", TWINS)
def test_the_korean_twin_is_korean(root: Path, name: str) -> None:
    for part in re.split(r"^#+ ", (root / f"{name}.ko.md").read_text(), flags=re.MULTILINE)[1:]:
        prose = COMMENT.sub("", FENCE.sub("", part))
        assert re.search("[가-힣]{2}", prose), f"no Korean in: {prose[:60]}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = COMMENT.sub("", FENCE.sub("", document.read_text()))
    links = [link for link in LINK.findall(text) if not link.startswith("http")]
    assert [link for link in links if not leads_somewhere(document, link)] == []


def leads_somewhere(document: Path, link: str) -> bool:
    """The file is there, and has the heading that follows `#`, if one does."""
    name, _, anchor = link.partition("#")
    file = document.parent / name if name else document
    if not file.exists():
        return False
    if not anchor:
        return True
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", file.read_text()), re.MULTILINE)
    return anchor in map(anchor_of, headings)


def anchor_of(heading: str) -> str:
    """What GitHub makes of a heading: lower case, without punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_numbers_are_those_that_were_measured_last(document: Path) -> None:
    kept = json.loads(MEASURED.read_text())
    numbers = numbers_of(kept)
    text = document.read_text()
    assert [name for name, _ in numbers_in(text) if name not in numbers] == []
    assert [command for command, _ in outputs_in(text) if command not in kept["outputs"]] == []
    assert written(text, numbers, kept["outputs"]) == text
