"""A hand on a run while it trains, in a real browser: a change is a mark on the curve, and a pause stops the clock."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from app_server import App
from playwright.sync_api import Page, expect
from test_app import no_errors, points

from vit_explore.presets import presets
from vit_explore.runs.store import RunStore

LOSS = "canvas[aria-label*='training loss']"
SMALL = presets.get("shapes").config.update(per_class=40, patch_size=8, width=32, depth=2)
Train = Callable[[float], str]


@pytest.fixture
def train(page: Page, app: App) -> Iterator[Train]:
    """train(seconds) opens a new run's page, and gives its id when it trains; all runs are over at last."""
    store = RunStore(app.home)

    def begin(seconds: float) -> str:
        page.goto(app.url)  # the server starts its worker after its first page
        expect(page.get_by_text("Where to go next")).to_be_visible()
        run = store.create(SMALL.update(seconds=seconds))
        page.goto(f"{app.url}/train?run={run}")
        expect(page.locator(f"{LOSS}[aria-label*=' at ']")).to_be_visible(timeout=90_000)
        return run

    yield begin
    for record in store.list(states=("queued", "running")):
        store.request_stop(record.id)
    while store.list(states=("queued", "running")):
        time.sleep(0.2)


def still(page: Page, seconds: float = 30) -> float:
    """The last x of the loss once it has not moved for four seconds: two ticks of the page."""
    end, last = time.monotonic() + seconds, points(page)
    while time.monotonic() < end:
        page.wait_for_timeout(4000)
        now = points(page)
        if now == last:
            return now
        last = now
    raise AssertionError(f"a paused run goes on: {last}")


def test_a_change_is_a_mark_and_a_pause_stops_the_clock(page: Page, train: Train) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    train(300)
    strip = page.locator(".st-key-live_playing")
    box: Any = strip.bounding_box()
    assert box["height"] <= 48, "the strip is one thin row"
    assert box["y"] + box["height"] < 720
    tops = {round((w.bounding_box() or {"y": 0})["y"]) for w in strip.get_by_role("combobox").all()}
    assert len(tops) == 1, "all in one row"

    page.get_by_role("slider", name="Learning rate").first.focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(f"{LOSS}[aria-label*='learning rate × 0.1']")).to_be_visible(timeout=30_000)

    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Pause").click(timeout=30_000)
    expect(page.get_by_role("button", name="Go on")).to_be_visible()  # it follows what another window has set
    expect(page.get_by_text(re.compile("Paused: .* left"))).to_be_visible()
    other.close()
    stood = still(page)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(f"{LOSS}[aria-label*='paused for']")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(4000)
    assert points(page) > stood, "a run that goes on stands still"

    page.reload()
    expect(page.get_by_role("slider", name="Learning rate").first).to_have_attribute(
        "aria-valuetext", re.compile("× 0.1")
    )
    no_errors(page)


def test_a_fork_of_a_run_that_trains_is_drawn_over_it(page: Page, train: Train) -> None:
    parent = train(20)
    page.get_by_role("button", name="Fork").first.click()
    page.get_by_role("spinbutton", name="More seconds").fill("30")
    page.get_by_role("spinbutton", name="More seconds").press("Enter")
    page.get_by_role("button", name="Start the fork").click()
    page.wait_for_url(re.compile(rf"run=(?!{parent})[0-9a-f]+"))
    expect(page.get_by_role("link", name=re.compile("Forked from .* at step"))).to_be_visible(timeout=90_000)
    both = re.compile(r"(?=.*fork at \d+: [\d.]+ at)(?=.* s: [\d.]+ at)")
    expect(page.locator(LOSS)).to_have_attribute("aria-label", both, timeout=90_000)
    no_errors(page)
