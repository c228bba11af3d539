"""A race from the button to its verdict, in a window of 1280 × 720: the chart is seen, and stays where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from app_server import App, start, stop_tree
from playwright.sync_api import Page, expect
from test_app import no_errors

CHART = "canvas[aria-label*='validation accuracy']"


@pytest.fixture
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page ViT vs ResNet in a home of its own, so that no other run waits before the race."""
    home = tmp_path_factory.mktemp("race")
    process, url = start(home)
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    tab = context.new_page()
    tab.set_default_timeout(60_000)
    tab.goto(f"{App(url, home).url}/versus")
    yield tab
    context.close()
    stop_tree(process, home)


def begin(page: Page, seconds: int) -> None:
    page.get_by_role("combobox", name="The ViT and its data").click()
    page.get_by_role("option", name="Shapes: nothing to download").click()
    field = page.locator(".st-key-race_budget_shapes input")
    field.fill(str(seconds))
    field.press("Enter")
    page.get_by_role("button", name="Start the race").click()


def test_a_race_is_one_picture_from_the_countdown_to_the_verdict(page: Page) -> None:
    begin(page, 5)
    expect(page.get_by_role("heading", name="ViT against Slim ResNet")).to_be_in_viewport()
    expect(page.get_by_text("to go")).to_be_in_viewport()
    chart = page.locator(CHART)
    expect(chart).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Stop the race")).to_be_in_viewport()
    expect(page.locator(f"{CHART}[aria-label*='ViT: '][aria-label*=' at ']")).to_be_visible(timeout=60_000)
    place = chart.bounding_box()
    chart.evaluate("canvas => { canvas.mine = true; }")
    expect(page.get_by_text("could be chance")).to_be_in_viewport(timeout=120_000)
    assert chart.evaluate("canvas => canvas.mine"), "the chart was made anew at the end"
    assert chart.bounding_box() == place, "the chart jumped at the end"
    expect(page.get_by_role("button", name="Again with 3 seeds")).to_be_in_viewport()
    expect(page.get_by_text("disagree").first).to_be_attached()
    no_errors(page)


def test_stop_ends_all_of_a_race(page: Page) -> None:
    begin(page, 600)
    expect(page.locator(f"{CHART}[aria-label*=' at ']")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Stop the race").click()
    expect(page.get_by_text("No verdict")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Stop the race")).to_have_count(0)
    no_errors(page)
