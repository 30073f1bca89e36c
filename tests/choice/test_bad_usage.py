"""A command line that cannot work: status 2, the thing in backticks, the next step, no work run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import pytest

WORK = """
from pathlib import Path

number = 5
nothing = []

def called(item=None):
    Path("called").touch()

def two(first, second):
    called()

def needs_keyword(item, *, spam):
    called()

def gives(item):
    yield item

async def gives_async(item):
    yield item

class Thing:
    def __init__(self, item):
        called()

def raises():
    raise LookupError("no items today")

def no_executor():
    return 5

def broken_executor():
    raise ConnectionError("no scheduler today")
"""


@dataclass(frozen=True)
class Row:
    """A target and options, and what the complaint names."""

    line: str
    names: tuple[str, ...]


TARGETS = [
    Row("spam.py:f", ("`spam.py`", "hint:")),
    Row("folder/spam.py:f", ("`folder/spam.py`", "hint:")),
    Row(".:f", ("`.",)),
    Row("spam.module:f", ("`spam", "hint:")),
    Row("json:spam", ("`spam`", "hint:")),
    Row("work.py", ("`work.py`", "hint:")),
    Row("work.py:", ("`work.py:`", "hint:")),
    Row(":f", ("`:f`", "hint:")),
    Row("work.py:spam", ("`spam`", "work.py", "hint:")),
    Row("work.py:called,spam", ("`spam`", "hint:")),
    Row("work.py:called,", ("hint:",)),
    Row("work.py:called,called", ("called", "twice", "hint:")),
    Row("work.py:number", ("`number`", "hint:")),
    Row("work.py:two", ("`two`", "argument", "hint:")),
    Row("work.py:needs_keyword", ("`needs_keyword`", "`?spam", "hint:")),
    Row("work.py:gives", ("`gives`", "generator", "hint:")),
    Row("work.py:gives_async", ("`gives_async`", "generator", "hint:")),
]
ITEMS = [
    Row("work.py:called --items 0", ("`?0", "hint:")),
    Row("work.py:called --items=-3", ("`?-3", "hint:")),
    Row("work.py:called --items 1.5", ("`?1.5", "hint:")),
    Row("work.py:called --items spam", ("`spam`", "hint:")),
    Row("work.py:called --items number", ("`number`", "hint:")),
    Row("work.py:called --items nothing", ("`nothing`", "hint:")),
    Row("work.py:called --items raises", ("`raises`", "LookupError", "no items today")),
]
NUMBERS = [
    Row("work.py:called --concurrency=", ("concurrency",)),
    Row("work.py:called --concurrency 0", ("concurrency", "`?0")),
    Row("work.py:called --concurrency=-1", ("concurrency", "`?-1")),
    Row("work.py:called --concurrency a", ("concurrency", "`?a")),
    Row("work.py:called --concurrency 1,,2", ("concurrency",)),
    Row("work.py:called --concurrency 1,2.5", ("concurrency", "`?[12.,]*2.5")),
    Row("work.py:called --rounds 0", ("rounds", "`?0")),
    Row("work.py:called --rounds a", ("rounds", "`?'?a")),
    Row("work.py:called --budget 0", ("budget", "`?0")),
    Row("work.py:called --budget=-1", ("budget", "`?-1")),
    Row("work.py:called --budget nan", ("budget", "`?nan")),
    Row("work.py:called --budget inf", ("budget", "`?inf")),
    Row("work.py:called --timeout 0", ("timeout", "`?0")),
    Row("work.py:called --timeout nan", ("timeout", "`?nan")),
    Row("work.py:called --spam", ("--spam",)),
]
OUTPUTS = [
    Row("work.py:called --json no/such/folder/r.json", ("no/such/folder/r.json`", "hint:")),
    Row("work.py:called --markdown no/such/folder/r.md", ("no/such/folder/r.md`", "hint:")),
    Row("work.py:called --html no/such/folder/r.html", ("no/such/folder/r.html`", "hint:")),
    Row("work.py:called --html .", (r" \.`", "hint:")),
    Row("work.py:called --json work.py/r.json", ("work.py/r.json`", "hint:")),
]
FORMS = [
    Row("work.py:called --require spam", ("`?'?spam",)),
    Row("work.py:called --require=", ("require",)),
    Row("work.py:called --executor spam", ("spam", "NAME=")),
    Row("work.py:called --executor =work:raises", ("executor",)),
    Row("work.py:called --executor mine=", ("mine",)),
    Row("work.py:called --executor mine=work", ("work", "hint:")),
    Row("work.py:called --executor threads=work:raises", ("threads", "hint:")),
    Row("work.py:called --executor verdict=spam.module:f", ("spam", "hint:")),
    Row("work.py:called --executor mine=work:spam", ("spam", "hint:")),
]
ROWS = TARGETS + ITEMS + NUMBERS + OUTPUTS + FORMS


@pytest.fixture
def folder(work, tmp_path):
    work(WORK)
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("row", [pytest.param(row, id=row.line) for row in ROWS])
def test_is_refused(complains, folder, row):
    complaint = complains(*row.line.split())
    for name in row.names:
        assert re.search(name, complaint), (name, complaint)
    assert not (folder / "called").exists(), "the work ran before the complaint"
    assert len(complaint.splitlines()) <= 12


def test_the_table_has_no_row_twice():
    assert len({row.line for row in ROWS}) == len(ROWS)


def test_a_file_called_like_a_module_of_the_library(complains, work):
    """Whatever imports that module would get the work instead."""
    work("def f(item):\n    return item", "json.py")
    complaint = complains("json.py:f")
    assert "`json.py`" in complaint
    assert "hint:" in complaint


def test_a_folder_that_may_not_be_written(complains, folder):
    if os.geteuid() == 0:
        locked = "/proc/r.json"
    else:
        (folder / "locked").mkdir(mode=0o500)
        locked = "locked/r.json"
    assert f"{locked}`" in complains("work.py:called", "--json", locked)
    assert not (folder / "called").exists()


IMPORTS = {
    "raises": ("import json\nraise LookupError('not today')", ("LookupError", "not today", "2")),
    "syntax": ("def f(:\n    pass", ("SyntaxError", "1")),
    "indentation": ("def f():\npass", ("IndentationError", "2")),
    "missing module": ("\nimport spam_eggs", ("spam_eggs", "2")),
    "exits": ("import sys\nsys.exit(5)", ("SystemExit", "5")),
    "ends the process": ("import os\nos._exit(7)", ("7",)),
    "crashes": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", ("SIGSEGV",)),
    "null byte": ("def f():\n    pass\n\0", ("null byte",)),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_file_that_fails_to_import(complains, work, name):
    source, named = IMPORTS[name]
    work(source)
    complaint = complains("work.py:f")
    assert "`work.py`" in complaint or "work.py:" in complaint
    for text in named:
        assert text in complaint, complaint


def test_a_file_that_never_finishes_its_import(complains, work):
    work("import time\ntime.sleep(3600)\ndef f():\n    pass")
    complaint = complains("work.py:f", "--timeout", "2")
    assert "work.py" in complaint
    assert "2" in complaint


def test_a_file_that_is_not_text(complains, work, tmp_path):
    (tmp_path / "work.py").write_bytes(b"\xff\xfe\x00spam")
    assert "work.py" in complains("work.py:f")


def test_items_without_end(complains, work):
    work("import itertools\nitems = itertools.count()\ndef f(item):\n    return item")
    complaint = complains("work.py:f", "--items", "items", "--timeout", "5")
    assert "`items`" in complaint
    assert "hint:" in complaint


def test_items_for_a_function_that_takes_none(compare, work):
    """Numbers are how often it is called; items of the file would be lost, so they are refused."""
    work("things = [1, 2]\ndef f():\n    return 1")
    assert compare("work.py:f", "--items", "4").status == 0
    answer = compare("work.py:f", "--items", "things")
    assert answer.status == 2
    assert "`f`" in answer.complaint
