"""What trips a new user: small windows, a phone, two tabs, the keyboard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from app_server import PROJECT, App, start, stop_tree
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from vit_explore.runs.store import RunStore
from vit_explore.ui import site

PAGES = ["" if page is site.HOME else page.name for page in site.PAGES]
SHAPES = ["train", "--preset", "shapes", "--width", "32", "--depth", "2", "--seconds", "2", "--quiet"]


@pytest.fixture(scope="module")
def home_of_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app whose home has two finished runs."""
    home = tmp_path_factory.mktemp("newcomer")
    environment = os.environ | {"VIT_EXPLORE_HOME": str(home)}
    for name in ("the first run", "the second run"):
        command = [sys.executable, "-m", "vit_explore", *SHAPES, "--name", name]
        subprocess.run(command, cwd=PROJECT, env=environment, check=True, timeout=240)
    process, url = start(home)
    yield App(url, home)
    stop_tree(process, home)


@pytest.fixture
def narrow(browser: Any) -> Iterator[Page]:
    """A phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def ready(page: Page, address: str) -> Page:
    page.goto(address)
    expect(page.get_by_text("Behind this page")).to_be_visible(timeout=60_000)
    return page


def bottom(found: Locator) -> float:
    """Where an element ends, in pixels from the top of the window."""
    expect(found).to_be_visible()
    box = found.bounding_box()
    assert box
    return box["y"] + box["height"]


def test_start_is_above_the_fold_on_a_phone(narrow: Page, home_of_two: App) -> None:
    ready(narrow, f"{home_of_two.url}/train?run=new")
    assert bottom(narrow.get_by_role("button", name="Start training")) <= 844


def test_homes_figure_has_no_void_below_it_on_a_phone(narrow: Page, home_of_two: App) -> None:
    ready(narrow, home_of_two.url)
    figure = narrow.locator(".st-key-home_figure")
    expect(figure.locator("image").first).to_be_visible(timeout=90_000)  # Plotly loads late on a busy machine
    narrow.wait_for_timeout(500)
    box = figure.bounding_box()
    assert box
    assert box["height"] <= 0.75 * box["width"]  # the scene's own shape, and not the height of a wide window


def test_homes_whole_figure_and_first_buttons_fit_a_window_720_high(page: Page, home_of_two: App) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    ready(page, home_of_two.url)
    figure = page.locator(".st-key-home_figure .js-plotly-plot")
    assert bottom(figure) <= 720
    assert bottom(page.get_by_role("link", name="Train one now")) <= 720
    assert bottom(page.get_by_role("button", name="Next")) <= 720


def test_back_leaves_home_at_the_first_press(browser: Any, home_of_two: App) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto("about:blank#before")
    ready(page, home_of_two.url)
    page.wait_for_function("() => location.search.includes('model=')")  # the page has completed its address
    page.get_by_role("link", name="Train one now").click()
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("link", name="Train one now")).to_be_visible()
    page.go_back()
    page.wait_for_url("about:blank#before")
    context.close()


def test_no_formula_is_cut_and_no_page_scrolls_sideways(page: Page, home_of_two: App) -> None:
    for path in PAGES:
        ready(page, f"{home_of_two.url}/{path}")
        for width in (1440, 1366, 1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(500)
            check_fits(page, f"/{path} at {width} px")


def check_fits(page: Page, where: str) -> None:
    """Nothing is cut, nothing stands out."""
    cut = "[...document.querySelectorAll('.katex-display')].filter(node => node.scrollWidth > node.clientWidth)"
    try:  # before its letters are there, a formula is set in others, which are wider
        page.wait_for_function(f"() => document.fonts.status === 'loaded' && !{cut}.length", timeout=10_000)
    except PlaywrightTimeout:
        raise AssertionError(f"{where}: a formula is cut") from None
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth - node.clientWidth") <= 1, f"{where} scrolls sideways"


@pytest.mark.parametrize("path", ["train?run=new", "train", "versus", "runs", "attention", "positions", "filters"])
def test_no_label_is_cut_at_1280(page: Page, home_of_two: App, path: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    address = f"{home_of_two.url}/{path}"
    ready(page, f"{address}?run={RunStore(home_of_two.home).list()[0].id}" if path == "train" else address)
    labels = (
        "button",
        "[data-testid=stMetricLabel]",
        "[data-testid=stWidgetLabel]",
        "label",
        "[data-testid=stPageLink]",
    )
    for label in page.locator(", ".join(f"[data-testid=stMain] {kind} p:visible" for kind in labels)).all():
        cut = label.evaluate("node => node.scrollWidth - node.clientWidth")
        assert cut <= 1, f"{label.inner_text()!r} is cut"


def test_the_keyboard_is_seen_on_the_links_of_the_sidebar(page: Page, home_of_two: App) -> None:
    ready(page, home_of_two.url)
    link = page.get_by_test_id("stSidebarNavLink").nth(2)
    for _ in range(20):
        page.keyboard.press("Tab")
        if link.evaluate("node => node === document.activeElement"):
            break
    style = link.evaluate("node => { const s = getComputedStyle(node); return [s.outlineStyle, s.outlineWidth]; }")
    assert style == ["solid", "3px"]


def test_what_one_tab_does_reaches_the_other(browser: Any, home_of_two: App) -> None:
    store = RunStore(home_of_two.home)
    run = store.list()[0].id
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    other = ready(context.new_page(), f"{home_of_two.url}/train?run={run}")
    runs = ready(context.new_page(), f"{home_of_two.url}/runs")
    page = ready(context.new_page(), f"{home_of_two.url}/runs")
    table = page.get_by_test_id("stDataFrame").first
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 17, box["y"] + 57)  # the box of the first row
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("renamed elsewhere")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("New name")).to_be_hidden()  # it closes after Save
    expect(other.get_by_role("heading", name="renamed elsewhere")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(other.get_by_text("was deleted").first).to_be_visible(timeout=15_000)
    expect(runs.get_by_text("1 run ·")).to_be_visible(timeout=15_000)
    context.close()


@pytest.mark.parametrize("width", [1440, 1280])
def test_the_map_stays_in_its_place_under_the_pointer(page: Page, home_of_two: App, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    ready(page, f"{home_of_two.url}/attention?model=bundled:vit-cifar10")
    shown = page.get_by_role("application", name="Attention map")
    expect(shown.first).to_be_visible(timeout=90_000)
    for one in shown.all():
        one.scroll_into_view_if_needed()
        before = one.bounding_box()
        assert before
        for step in range(16):
            one.hover(position={"x": before["width"] * (step % 4 + 0.5) / 4, "y": before["height"] * (step + 0.5) / 16})
            assert one.bounding_box() == before
