"""The report in a browser: as wide as the window, however narrow, and a mark opens its finding."""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

from entrawatch.hunt.report import report
from entrawatch.hunt.run import Hunt, hunt
from entrawatch.reading import read

from .test_changes import BY, CUT, NEW, OLD, policy
from .test_hunt import CATALOGUE, lines, tenant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

LONG = "a-name-without-end" * 20


def change(number: int, new: str) -> Any:
    return {
        "id": f"Directory_{number}{LONG}", "activityDateTime": "2026-01-07T09:00:00Z", "result": "success",
        "activityDisplayName": "Update conditional access policy", "category": "Policy", "initiatedBy": BY,
        "targetResources": [{**policy(OLD, new)[0], "displayName": LONG}],
    }  # fmt: skip


def full_hunt() -> Hunt:
    """Findings of all kinds, names that nothing breaks, a policy that was cut off, and lines that are none."""
    records, _ = tenant(1)
    deep = json.dumps({"conditions": {LONG: {LONG: ["x" * 500]}}})
    changes = [change(number, new) for number, new in enumerate([NEW, CUT, deep, NEW.replace("All", LONG)])]
    every = [*(one for stream in records.values() for one in stream), *changes, LONG]
    return hunt(CATALOGUE, read(["-"], io.BytesIO(lines(every))))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "no Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "findings.html"
    path.write_text(report(full_hunt()), encoding="utf-8")
    return path


def page_of(browser: Browser, file: Path, width: int) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize("width", [360, 500, 1280])
def test_nothing_scrolls_sideways_however_much_is_opened(browser: Browser, file: Path, width: int) -> None:
    page = page_of(browser, file, width)
    opened = page.evaluate("[...document.querySelectorAll('details')].map(one => one.open = true).length")
    assert opened > 20
    assert page.evaluate("document.documentElement.scrollWidth") == width
    beyond = "one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX == 'visible'"
    texts = "[...document.querySelectorAll('p, li, td, th, pre, h1, h2, h3, summary, .cell, .body')]"
    assert page.evaluate(f"{texts}.filter({beyond}).map(one => one.textContent.slice(0, 80))") == []


@pytest.mark.parametrize("width", [500, 1280])
def test_a_mark_opens_its_finding(browser: Browser, file: Path, width: int) -> None:
    page = page_of(browser, file, width)
    page.locator("svg a").first.click()
    opened = page.locator("details.card[open]")
    assert opened.count() == 1
    box = opened.locator("summary").first.bounding_box()
    assert box
    assert 0 <= box["y"] < 20


def test_every_mark_lies_within_the_picture(browser: Browser, file: Path) -> None:
    page = page_of(browser, file, 1280)
    outside = """() => {
      const line = document.querySelector('svg line[x1="110"]').getBoundingClientRect();
      const marks = [...document.querySelectorAll('svg rect')].map(one => one.getBoundingClientRect());
      return [marks.length, marks.filter(one => one.left < line.left - 1 || one.right > line.right + 1).length];
    }"""
    count, beyond = page.evaluate(outside)
    assert count > 15
    assert beyond == 0
