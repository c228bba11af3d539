"""The stage of the page Train, in a real browser: all of it inside the window, alive, and at rest when the run ends."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from app_server import App
from playwright.sync_api import Locator, Page, expect
from test_app import no_errors

from vit_explore.config import RunConfig
from vit_explore.presets import presets
from vit_explore.runs.store import RunStore

SIZES = [(1280, 720), (1440, 900)]
SECONDS = 300  # of a run that is stopped when the test has seen enough
Train = Callable[..., str]


def config(seconds: float = SECONDS) -> RunConfig:
    return presets.get("shapes").config.update(seconds=seconds)


@pytest.fixture
def train(page: Page, app: App) -> Iterator[Train]:
    """train(seconds=…, **address) opens a new run's page, and gives its id when it trains; it is stopped at last."""
    store, runs = RunStore(app.home), []

    def begin(seconds: float = SECONDS, **address: str) -> str:
        page.goto(app.url)  # the server starts its worker after its first page
        expect(page.get_by_text("Where to go next")).to_be_visible()
        runs.append(store.create(config(seconds)))
        page.goto(f"{app.url}/train?" + "&".join(f"{k}={v}" for k, v in {"run": runs[-1], **address}.items()))
        expect(page.locator("canvas[aria-label*='training loss'][aria-label*=' at ']")).to_be_visible(timeout=90_000)
        expect(page.get_by_alt_text("Attention of block 1")).to_be_visible(timeout=30_000)
        return runs[-1]

    yield begin
    for run in runs:
        if store.get(run).state in ("queued", "running"):
            store.request_stop(run)
    while any(store.get(run).state in ("queued", "running") for run in runs):
        time.sleep(0.2)


def stage_parts(page: Page) -> dict[str, Locator]:
    """What a class looks at."""
    return {
        "numbers": page.locator(".st-key-live_status"),
        "accuracy": page.locator("canvas[aria-label*='validation accuracy']"),
        "loss": page.locator("canvas[aria-label*='training loss']"),
        "tiles": page.get_by_alt_text("Similarity of the position embeddings"),
        "attention, first": page.locator(".attention img").first,
        "attention, last": page.locator(".attention img").last,
        "answers, first": page.locator(".answers button").first,
        "answers, last": page.locator(".answers button").last,
        "Stop": page.get_by_role("button", name="Stop"),
    }


def boxes(page: Page) -> dict[str, tuple[float, ...]]:
    """(left, top, right, bottom) of each part, in pixels of the window."""
    found = {}
    for name, part in stage_parts(page).items():
        box = part.bounding_box()
        assert box, f"{name} is not there"
        found[name] = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
    return found


def scrolled(page: Page) -> float:
    return float(page.get_by_test_id("stMain").evaluate("main => main.scrollTop"))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_all_of_the_stage_is_inside_the_window_while_it_trains(
    page: Page, train: Train, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    train()
    for name, (left, top, right, bottom) in boxes(page).items():
        assert left >= 0, name
        assert top >= 0, name
        assert right <= width, f"{name} ends at x = {right}"
        assert bottom <= height, f"{name} ends at y = {bottom}"
    places = boxes(page)
    assert places["numbers"][3] <= places["accuracy"][1]
    assert places["accuracy"][3] <= places["tiles"][1]
    assert places["tiles"][2] <= places["attention, first"][0]
    assert places["attention, last"][2] <= places["answers, first"][0]
    assert min(right - left for left, _, right, _ in places.values()) >= 60
    no_errors(page)


def test_the_pictures_change_while_one_looks_and_the_nodes_stay(page: Page, train: Train) -> None:
    train()
    tiles = page.get_by_alt_text("Similarity of the position embeddings")
    first, node = tiles.get_attribute("src"), tiles.element_handle()
    chart = page.locator("canvas[aria-label*='training loss']").element_handle()
    page.wait_for_function("([node, first]) => node.src !== first", arg=[node, first], timeout=20_000)
    assert node.evaluate("node => node.isConnected"), "the picture was put into another node"
    assert chart.evaluate("node => node.isConnected"), "the chart was drawn anew"


def places(page: Page, names: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Where parts of the stage are."""
    found = {name: stage_parts(page)[name].bounding_box() for name in names}
    return {name: (box["x"], box["y"]) for name, box in found.items() if box}


def test_nothing_jumps_when_the_run_ends(page: Page, train: Train) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    train(seconds=12)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTop = 90")
    page.wait_for_timeout(300)
    nodes = {name: stage_parts(page)[name].element_handle() for name in ("accuracy", "tiles", "answers, last")}
    scroll, over = scrolled(page), page.get_by_text("Finished after")
    assert scroll == 90
    seen = [places(page, nodes)]  # a finding may come while it trains; the end itself moves nothing
    while not over.count():
        seen.append(places(page, nodes))
        page.wait_for_timeout(500)
    before = seen[-2 if len(seen) > 1 else -1]
    expect(over).to_be_visible(timeout=90_000)
    expect(page.get_by_text("Now look inside this model")).to_be_attached()
    page.wait_for_timeout(3000)  # the last snapshot is looked into
    assert scrolled(page) == scroll
    for name in nodes:
        now = stage_parts(page)[name].bounding_box()
        assert now
        assert (now["x"], now["y"]) == pytest.approx(before[name], abs=2), name
        assert nodes[name].evaluate("node => node.isConnected"), f"{name} was drawn anew"
    no_errors(page)


def test_present_shows_the_stage_alone_and_comes_back(page: Page, train: Train) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    train()
    letters = "() => parseFloat(getComputedStyle(document.documentElement).fontSize)"
    small = page.evaluate(letters)
    page.get_by_role("button", name="Present").click()
    page.wait_for_url(re.compile("present=on"))
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.get_by_text("Behind this page")).to_have_count(0)
    assert page.evaluate(letters) > 1.08 * small  # in a window as low as this
    assert max(bottom for *_, bottom in boxes(page).values()) <= 720
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollHeight - main.clientHeight") <= 1
    canvas = page.locator(".live-chart canvas").first
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 80, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 50, steps=4)
    page.mouse.up()
    expect(page.get_by_role("button", name="Reset zoom")).to_be_visible()
    canvas.press("Escape")
    expect(page.get_by_role("button", name="Reset zoom")).to_be_hidden()
    page.wait_for_timeout(1500)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    canvas.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    expect(page.get_by_text("Behind this page")).to_be_attached()
    page.go_back()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    no_errors(page)


def test_what_fills_the_stage(page: Page, train: Train) -> None:
    train()
    loss, tiles = page.locator("canvas[aria-label*='training loss']"), page.locator(".tiles img")
    view, height = page.locator(".st-key-live_show"), loss.bounding_box()["height"]
    view.get_by_text("Curves", exact=True).click()
    page.wait_for_url(re.compile("show=curves"))
    expect(tiles).to_have_count(0)
    page.wait_for_function(
        "([canvas, height]) => canvas.getBoundingClientRect().height > 1.5 * height",
        arg=[loss.element_handle(), height],
    )
    view.get_by_text("Inside", exact=True).click()
    expect(tiles).to_be_visible()
    expect(loss).to_have_count(0)
    view.get_by_text("Both", exact=True).click()
    expect(loss).to_be_visible()
    expect(tiles).to_be_visible()
    no_errors(page)


def test_a_click_on_an_answer_shows_the_attention_on_its_picture(page: Page, train: Train) -> None:
    train()
    third = page.locator(".answers button").nth(2)
    truth = third.locator(".truth").inner_text()
    third.click()
    expect(third).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_alt_text(f"Attention of block 1 on a validation image of class {truth}")).to_be_visible()
    expect(page.locator(".attention figcaption").first).to_have_text(truth)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_order_is_numbers_curves_pictures_answers(
    browser: Any, app: App, train: Train, scheme: str
) -> None:
    run = train()
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    phone = context.new_page()
    phone.goto(f"{app.url}/train?run={run}")
    expect(phone.get_by_alt_text("Attention of block 1")).to_be_visible(timeout=60_000)
    places = boxes(phone)
    order = ["numbers", "accuracy", "loss", "tiles", "attention, first", "attention, last", "answers, first"]
    tops = [places[name][1] for name in order]
    assert tops == sorted(set(tops))
    assert all(left >= 0 and right <= 390 for left, _, right, _ in places.values())
    assert phone.get_by_test_id("stMain").evaluate("main => main.scrollWidth - main.clientWidth") <= 1
    no_errors(phone)
    context.close()
