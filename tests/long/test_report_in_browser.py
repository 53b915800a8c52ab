# SPDX-License-Identifier: MIT
"""Reports in a real browser: every shape of page at every width, in light and dark and printed, and pages that are broken on purpose."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import report_shapes
from browser import WANTED, Browser, NoBrowser
from drmsqueeze_results.report import write_report

LOOK = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
PAPER = 703  # pixels between the margins of A4
VIEWS = ((1280, "light", "screen"), (1280, "dark", "screen"), (800, "light", "screen"), (390, "light", "screen"), (390, "dark", "screen"),
         (PAPER, "light", "print"), (PAPER, "dark", "print"))
SHAPES = {**report_shapes.SHAPES, **report_shapes.MORE, "hung": report_shapes.hung}
Look = Callable[[Path, int, str, str], list[tuple[str, str]]]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    try:
        with Browser(tmp_path_factory.mktemp("profile")) as one:
            yield one
    except NoBrowser:
        pytest.fail(WANTED)


@pytest.fixture(scope="module")
def look(browser: Browser) -> Look:
    """What is wrong with a page, as (what, where); requests that leave the page are wrong too."""
    def at(page: Path, width: int, scheme: str, media: str) -> list[tuple[str, str]]:
        browser.show(page, width, scheme, media)
        wrong = [(problem["what"], problem["where"]) for problem in browser.evaluate(LOOK)]
        return wrong + [("request", url) for url in browser.requests if url != page.as_uri()]

    return at


@pytest.fixture(scope="module", params=SHAPES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(SHAPES[request.param](tmp_path_factory.mktemp("shape") / "c"))


@pytest.mark.parametrize(("width", "scheme", "media"), VIEWS)
def test_page(look: Look, page: Path, width: int, scheme: str, media: str) -> None:
    assert look(page, width, scheme, media) == []


def test_colours_follow_the_scheme_and_paper_is_white(browser: Browser, page: Path) -> None:
    def ground() -> str:
        return str(browser.evaluate("getComputedStyle(document.body).backgroundColor"))

    seen = []
    for scheme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
        browser.show(page, 1280, scheme, media)
        seen.append(ground())
    assert seen == ["rgb(255, 255, 255)", "rgb(21, 23, 27)", "rgb(255, 255, 255)"]


def test_print(browser: Browser, page: Path) -> None:
    """As many pages as its length needs, and a few for what is not split."""
    browser.show(page, PAPER, "light", "print")
    height = browser.evaluate("document.documentElement.scrollHeight")
    needed = height / (PAPER * (297 - 28) / (210 - 24))
    pages = len(re.findall(rb"/Type /Page\b", browser.pdf()))
    assert needed <= pages + 0.2 and pages <= 1.5 * needed + 2, f"{pages} pages for a length of {needed:.1f}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(report_shapes.SHAPES["two"](tmp_path_factory.mktemp("sound") / "c")).read_text(encoding="utf-8")


def _in_first_plot(text: str, what: str) -> str:
    at = text.index('<svg class="plot"')
    end = text.index("</svg>", at)
    return text[:end] + what + text[end:]


def _without_data(text: str) -> str:
    """The first plot with its axes and without what it shows."""
    at = text.index('<svg class="plot"')
    end = text.index("</svg>", at)
    return text[:at] + re.sub(r'(<g id="[^"]*-data-\d+">).*?</g>', r"\1</g>", text[at:end], flags=re.S) + text[end:]


def _put(what: str) -> Callable[[str], str]:
    return lambda text: text.replace("</main>", what + "</main>", 1)


# What is done to a sound page, at which width it is looked at, and what must be said of it.
BROKEN: dict[str, tuple[Callable[[str], str], int, str]] = {
    "labels on each other": (lambda text: _in_first_plot(text, "".join(
        f'<text x="{x}" y="100" style="font: 9px sans-serif" fill="currentColor">here, here</text>' for x in (100, 120))), 1280, "overlap"),
    "words on each other": (_put('<p style="position: relative; top: 2.5em">one line of text</p><p>another line</p>'), 1280, "overlap"),
    "an empty plot": (_without_data, 1280, "empty plot"),
    "a label outside its plot": (lambda text: _in_first_plot(
        text, '<text x="290" y="60" style="font: 9px sans-serif" fill="currentColor">a label that is too long</text>'), 1280, "cut off"),
    "small letters": (_put('<p style="font-size: 6px">six pixels</p>'), 1280, "too small"),
    "one large drawing": (lambda text: re.sub(r"(svg\.plot \{ width: )100%", r"\g<1>60%", text), 390, "too small"),
    "pale letters": (_put('<p style="color: #999; background: #fff">pale</p>'), 1280, "contrast"),
    "a table outside its box": (lambda text: text.replace(".wide { overflow-x: auto;", ".wide {"), 390, "too wide"),
    "a picture from elsewhere": (_put('<img src="http://127.0.0.1:9/x.png" alt="">'), 1280, "request"),
    "a style sheet from elsewhere": (_put('<style>@import "http://127.0.0.1:9/x.css";</style>'), 1280, "request"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_page_is_found_out(look: Look, sound: str, name: str, tmp_path: Path) -> None:
    """Negative controls: each fault is seen, and nothing else is."""
    spoil, width, what = BROKEN[name]
    (tmp_path / "page.html").write_text(spoil(sound), encoding="utf-8")
    assert {kind for kind, _ in look(tmp_path / "page.html", width, "light", "screen")} == {what}


def test_cut_table_in_print_is_found_out(look: Look, sound: str, tmp_path: Path) -> None:
    spoilt = sound.replace(".wide { overflow: visible; }", "").replace("td, td.long { white-space: normal;", "td.none { ").replace(
        "table { font-size: 7.5pt; }", "table { font-size: 14pt; }")
    assert spoilt != sound
    (tmp_path / "page.html").write_text(spoilt, encoding="utf-8")
    assert "cut off" in {kind for kind, _ in look(tmp_path / "page.html", PAPER, "light", "print")}
