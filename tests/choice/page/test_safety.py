"""The page holds what others wrote, and fetches nothing."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from nalsil._nalsil import render

from .cases import Report, at, kept, leaves
from .conftest import Show
from .test_content import TEXTS

HOSTILE = (
    "</script><script>window.hostile = 1</script>",
    "<img src=x onerror='window.hostile = 1'>",
    "\"'><svg onload=window.hostile=1>",
    "<!--<script>",
    "]]>--></style></title></textarea>",
    "{{json}} {{script}} &lt;b&gt; &#60;",
    "javascript:window.hostile=1",
    "\u202egnp.exe\u2028\u2029 `<b>`",
)


def with_texts(value: Any, text: str, key: str = "") -> Any:
    """`value` with `text` behind each text in it that a user can choose."""
    if isinstance(value, dict):
        return {key: with_texts(part, text, key) for key, part in value.items()}
    if isinstance(value, list):
        return [with_texts(part, text, key) for part in value]
    chosen = isinstance(value, str) and key not in ("status", "confidence")
    return value + text if chosen else value


@pytest.mark.parametrize("text", HOSTILE)
def test_what_others_wrote_stays_text(show: Show, text: str) -> None:
    report = with_texts(kept("network"), text)
    page = show(report)
    assert page.evaluate("window.hostile") is None
    assert page.evaluate("document.querySelectorAll('img, main script, [onload]').length") == 0
    assert page.evaluate("document.scripts.length") == 2
    assert json.loads(page.evaluate("document.getElementById('report').textContent")) == report
    shown = page.evaluate(TEXTS)
    assert len(shown) > 20
    for path, seen in shown:
        if isinstance(at(report, path), str):
            assert seen.replace("`", "") == at(report, path).replace("`", ""), path


def test_the_page_has_no_element_that_hostile_text_could_add(show: Show) -> None:
    count = "document.querySelectorAll('*').length"
    plain = show(with_texts(kept("network"), "harmless")).evaluate(count)
    for text in HOSTILE[:-1]:
        assert show(with_texts(kept("network"), text)).evaluate(count) == plain


def test_the_file_names_no_place_to_fetch_from(report: Report) -> None:
    html = render(json.dumps(report), "html")
    markup, _, scripts = html.partition("<script")
    links = re.findall(r"""\b(?:href|src|action|data)=["']?([^"'\s>]*)""", markup)
    links += re.findall(r"url\(([^)]*)\)", markup)
    assert len(links) > 5
    assert [link for link in links if not link.startswith(("#", "data:,"))] == []
    assert "@import" not in markup
    written = "".join(str(value) for _, value in leaves(report))
    assert "//" in written or "//" not in markup + scripts


def test_the_policy_forbids_to_fetch(show: Show) -> None:
    page = show(kept("network"))
    refused = page.evaluate("fetch('data:,x').then(() => false, () => true)")
    complaints = [event for event in page.trouble if "Content Security Policy" in str(event)]
    assert refused
    assert complaints
    page.forget_trouble()


def test_the_page_is_small(report: Report) -> None:
    assert len(render(json.dumps(report), "html").encode()) < 1_000_000
