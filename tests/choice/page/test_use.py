"""The page in a reader's hands: themes, widths, keys, paper, and without its script."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from .browser import Browser, Page
from .cases import Report, kept
from .conftest import Show

CLIPBOARD = ("clipboardReadWrite", "clipboardSanitizedWrite")

ANSWER = """new Promise(done => {
    const button = document.getElementById('copy');
    new MutationObserver(() => done(button.textContent)).observe(button, {childList: true});
    button.click();
})"""

GROUND = "getComputedStyle(document.body).backgroundColor"

COLOURS = """[...document.querySelectorAll('h1, h1 b, h2, small, dt, dd, td, th, p, button, code,'
    + ' summary, .status, .tick, figcaption, label')].filter(e => e.getClientRects().length)
    .map(e => {
        const style = getComputedStyle(e);
        let under = e;
        while (getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)')
            under = under.parentElement;
        const text = e instanceof SVGElement ? style.fill : style.color;
        return [e.outerHTML.slice(0, 80), text, getComputedStyle(under).backgroundColor];
    })"""

SMALL_TEXT = """[...document.querySelectorAll('body *')].filter(e =>
    e.getClientRects().length && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
    && parseFloat(getComputedStyle(e).fontSize) < 11).map(e => e.outerHTML.slice(0, 80))"""

CUT_OFF = """[...document.querySelectorAll('main *, header *, footer *')].filter(e => {
    const place = e.getBoundingClientRect();
    return place.width && !e.closest('.scroll, .shapes, .unseen')
        && (place.right > innerWidth + 1 || place.left < -1);
}).map(e => e.outerHTML.slice(0, 80))"""


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2, of a colour such as `rgb(1, 2, 3)`."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(show: Show, scheme: str) -> None:
    page = show(kept("network"))
    page.emulate(scheme=scheme)
    assert (luminance(page.evaluate(GROUND)) > 0.5) == (scheme == "light")
    colours = page.evaluate(COLOURS)
    assert len(colours) > 200
    assert [colour for colour in colours if contrast(*colour[1:]) < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_button_switches_the_theme(show: Show, scheme: str) -> None:
    page = show(kept("network"))
    page.emulate(scheme=scheme)
    first = page.evaluate(GROUND)
    page.evaluate("document.getElementById('theme').click()")
    other = page.evaluate(GROUND)
    page.evaluate("document.getElementById('theme').click()")
    assert (luminance(first) > 0.5) != (luminance(other) > 0.5)
    assert page.evaluate(GROUND) == first


@pytest.mark.parametrize("width", [1200, 800, 400, 320])
def test_every_width_shows_all_of_the_page(show: Show, report: Report, width: int) -> None:
    page = show(report)
    page.resize(width)
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(SMALL_TEXT) == []


def test_all_can_be_reached_by_keys(show: Show) -> None:
    page = show(kept("network"))
    reached = set()
    for _ in range(60):
        page.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    wanted = {"copy", "download", "theme", "svg", "INPUT", "SUMMARY"}
    assert wanted <= reached
    page.evaluate("document.getElementById('theme').focus()")
    before = page.evaluate(GROUND)
    page.press("Enter")
    assert page.evaluate(GROUND) != before


def test_arrow_keys_read_a_chart_point_by_point(show: Show) -> None:
    page = show(kept("network"))
    tip = "document.getElementById('tip')"
    labels = page.evaluate(
        """(() => { const plot = document.querySelector('.plot svg'); plot.focus();
        return [...plot.querySelectorAll('[aria-label]')].map(e => e.ariaLabel); })()"""
    )
    assert len(labels) > 10
    for label in labels:
        page.press("ArrowRight")
        assert page.evaluate(f"{tip}.textContent") == label
        assert page.evaluate(f"{tip}.checkVisibility()")
    page.press("ArrowLeft")
    assert page.evaluate(f"{tip}.textContent") == labels[-2]
    page.press("Escape")
    assert not page.evaluate(f"{tip}.checkVisibility()")


def test_the_pointer_reads_the_mark_under_it(show: Show) -> None:
    page = show(kept("network"))
    label, x, y = page.evaluate(
        """(() => { const mark = document.querySelector('.bar [data-value]');
        mark.scrollIntoView({block: 'center'});
        const place = mark.getBoundingClientRect();
        return [mark.ariaLabel, place.x + place.width / 2, place.y + place.height / 2]; })()"""
    )
    page.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert page.evaluate("document.getElementById('tip').textContent") == label


def test_a_box_hides_the_lines_of_its_form(show: Show) -> None:
    page = show(kept("network"))
    points = "[...document.querySelectorAll('.plot .s2 use')].map(e => e.getClientRects().length)"
    shown = page.evaluate(points)
    assert set(shown) == {1}
    assert len(shown) > 10
    page.evaluate("document.querySelector('input.s2').click()")
    assert set(page.evaluate(points)) == {0}


def test_copy_gives_the_report(show: Show, chromium: Browser) -> None:
    page = show(kept("network"))
    chromium.command("Browser.grantPermissions", permissions=list(CLIPBOARD))
    page.command("Emulation.setFocusEmulationEnabled", enabled=True)
    assert page.evaluate(ANSWER) == "Copied"
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == kept("network")


def test_download_gives_the_report(show: Show, chromium: Browser, tmp_path: Path) -> None:
    page = show(kept("network"))
    chromium.command(
        "Browser.setDownloadBehavior",
        behavior="allow",
        downloadPath=str(tmp_path),
        eventsEnabled=True,
    )
    page.evaluate("document.getElementById('download').click()")
    chromium.wait("Browser.downloadProgress", state="completed")
    assert json.loads((tmp_path / "nalsil-compare.json").read_text()) == kept("network")


def test_paper_is_white_and_has_what_is_folded(show: Show) -> None:
    page = show(kept("network"))
    page.emulate(scheme="dark", media="print")
    assert luminance(page.evaluate(GROUND)) == 1
    page.evaluate(
        """addEventListener('beforeprint', () => { window.folded =
        document.querySelectorAll('details:not([open])').length; })"""
    )
    document = base64.b64decode(page.command("Page.printToPDF", printBackground=True)["data"])
    assert document.startswith(b"%PDF-")
    assert page.evaluate("window.folded") == 0
    assert page.evaluate("document.querySelectorAll('details[open]').length") == 0


def test_the_page_says_all_without_its_script(
    chromium: Browser, show: Show, tmp_path: Path
) -> None:
    show(kept("network"))
    bare = Page(chromium)
    bare.command("Emulation.setScriptExecutionDisabled", value=True)
    bare.open(tmp_path / "page.html")
    text = bare.evaluate("document.body.innerText")
    points = bare.evaluate("document.querySelectorAll('.plot use[data-value]').length")
    titles = bare.evaluate("document.querySelectorAll('.plot use > title').length")
    bare.close()
    verdict = kept("network")["verdict"]
    for line in (*verdict["because"], *verdict["flips"]):
        assert line.replace("`", "") in text
    assert titles >= points > 40
