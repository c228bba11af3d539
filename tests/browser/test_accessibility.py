"""What axe-core finds on every page: wide and narrow, light and dark, with and without a run."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from app_server import PROJECT, App, start, stop_tree
from playwright.sync_api import Page, expect

from vit_explore.ui import site

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
GRAVE = ("serious", "critical")
# What Streamlit draws itself, by rule: (selector of what is let pass, why it cannot be mended from here).
STREAMLIT = {
    "list": [
        ("[data-testid=stSidebarNavItems]", "Streamlit puts each section of the navigation into a div of the list")
    ],
    "listitem": [("[data-testid=stSidebarNavItems] li", "the links of that list")],
}
PAGES = ["" if page is site.HOME else page.name for page in site.PAGES]
FIND = """async (passed) => {
  const found = (await axe.run(document, { resultTypes: ["violations"] })).violations;
  const isPassed = (rule, node) => (passed[rule] || []).some(([selector]) => {
    const target = node.target.length === 1 && document.querySelector(node.target[0]);
    return target && target.matches(selector);
  });
  return found.map((rule) => ({
    id: rule.id, impact: rule.impact,
    nodes: rule.nodes.filter((node) => !isPassed(rule.id, node)).map((node) => `${node.target} ${node.failureSummary}`),
  })).filter((rule) => rule.nodes.length);
}"""


WIDE, NARROW = 1280, 390  # pixels
Look = tuple[int, str]
EVERY_LOOK: tuple[Look, ...] = tuple(itertools.product((WIDE, NARROW), ("light", "dark")))
LOOKS: dict[str, tuple[Look, ...]] = {  # all four, at half the time
    "no run": ((WIDE, "light"), (NARROW, "dark")),
    "a finished run": ((WIDE, "dark"), (NARROW, "light")),
}


@pytest.fixture(scope="module", params=LOOKS)
def visited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[App]:
    """An app of its own, with or without a run in its home; visited once, since its very first visitor loads twice."""
    home = tmp_path_factory.mktemp("accessible")
    if request.param == "a finished run":
        command = [sys.executable, "-m", "vit_explore", "train", "--preset", "shapes", "--seconds", "3", "--quiet"]
        environment = os.environ | {"VIT_EXPLORE_HOME": str(home)}
        subprocess.run(command, cwd=PROJECT, env=environment, check=True, timeout=240)
    process, url = start(home)
    tab = browser.new_page()
    tab.goto(url)
    expect(tab.get_by_text("Behind this page")).to_be_visible()
    tab.close()
    yield App(url, home)
    stop_tree(process, home)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_grave(visited: App, browser: Any, path: str, request: pytest.FixtureRequest) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{visited.url}/{path}")
    expect(page.get_by_text("Behind this page")).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=90_000)  # charts and tables that still load
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=90_000)  # what is being computed
    page.wait_for_function("document.fonts.status === 'loaded'")  # until then a formula is too wide for its place
    examine(page, LOOKS[request.node.callspec.params["visited"]])
    context.close()


def examine(page: Page, looks: Sequence[Look] = EVERY_LOOK) -> None:
    """A page that is there whole, wide and narrow, light and dark."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    wrong, grounds = [], set()
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(1000)  # what fades in has its colours only at the end
        grounds.add(page.get_by_test_id("stApp").evaluate("node => getComputedStyle(node).backgroundColor"))
        wrong += [f"{width} px, {scheme}: {sentence}" for sentence in complaints(page)]
    assert len(grounds) == 2  # the page has followed the scheme
    assert not wrong, "\n".join(wrong)


def complaints(page: Page) -> list[str]:
    """What axe finds on a page, a line for each element."""
    found = page.evaluate(FIND, STREAMLIT)
    return [f"{rule['id']}: {node}" for rule in found if rule["impact"] in GRAVE for node in rule["nodes"]]


def test_axe_sees_a_faint_text_and_a_picture_without_words(browser: Any) -> None:
    page = browser.new_page()
    page.set_content(
        '<html lang="en"><title>x</title><main><img src="x"><p style="color: #999">faint</p></main></html>'
    )
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {sentence.partition(":")[0] for sentence in complaints(page)}
    page.close()
    assert {"color-contrast", "image-alt"} <= found


def test_every_chart_and_picture_says_in_words_what_it_shows(visited: App, page: Page) -> None:
    for path in ("patches", "filters", "positions", "attention"):
        page.goto(f"{visited.url}/{path}?model=bundled:vit-cifar10")
        expect(page.get_by_text("Behind this page")).to_be_visible()
        shown = page.locator("[data-testid=stPlotlyChart], [data-testid=stImage] img")
        if path != "attention":
            shown.first.wait_for()
        page.wait_for_timeout(500)
        for one in shown.all():
            words = one.get_attribute("alt") or one.get_attribute("aria-label") or ""
            assert len(words) > 15, f"{path}: {one.evaluate('node => node.outerHTML.slice(0, 200)')}"
