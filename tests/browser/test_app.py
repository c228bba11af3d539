"""The way a person goes: train for a few seconds, watch, reload, look inside, try a photo, make mistakes."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from app_server import App
from PIL import Image
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from vit_explore.ui import site

PAGES = ["" if page is site.HOME else page.name for page in site.PAGES]


def photo(size: tuple[int, int] = (640, 480)) -> bytes:
    """A JPEG with a bright disc, as a phone might take one."""
    y, x = np.mgrid[: size[1], : size[0]]
    disc = ((x - 400) ** 2 + (y - 200) ** 2 < 120**2)[..., None]
    pixels = np.where(disc, (240, 200, 40), (40, 90, 140)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def points(page: Page) -> float:
    """The last x of the loss curve, as the chart itself says it."""
    label = page.locator("canvas[aria-label*='training loss']").get_attribute("aria-label") or ""
    found = re.findall(r" at (\d+(?:\.\d+)?)", label)
    return float(found[-1]) if found else -1.0


def no_errors(page: Page) -> None:
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_text("Traceback")).to_have_count(0)


def fill_the_form(page: Page) -> None:
    """By a preset. On busy cores Streamlit may lose a click that falls into the end of a run of the page: click again,
    as a person does."""
    dataset = page.get_by_role("combobox", name="Dataset")
    for _ in range(2):
        page.get_by_text("Shapes: nothing to download").click()
        with suppress(AssertionError):
            expect(dataset).to_have_value("Shapes", timeout=10_000)
            return
    expect(dataset).to_have_value("Shapes")


@pytest.fixture(scope="module")
def trained(browser: Any, app: App) -> str:
    """A run of a few seconds on Shapes, started with the mouse and watched to its end: its id."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{app.url}/train")
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    page.wait_for_timeout(2000)  # the first visitor's browser loads the page twice: see ui/first_visit.py
    page.goto(f"{app.url}/train")
    expect(page.get_by_text("Behind this page")).to_be_attached(timeout=60_000)  # drawn whole, as a person waits for it
    fill_the_form(page)
    seconds = page.get_by_label("Seconds", exact=True)
    seconds.fill("20")
    seconds.press("Enter")
    expect(page.get_by_text("20 s", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.locator("canvas[aria-label*='training loss']").wait_for()
    expect(page.locator("canvas[aria-label*='training loss'][aria-label*=' at ']")).to_be_visible(timeout=60_000)
    shown = page.locator("canvas[aria-label*='training loss']").get_attribute("aria-label")
    assert shown
    grown = f"canvas[aria-label*='training loss'][aria-label*=' at ']:not([aria-label='{shown}'])"
    expect(page.locator(grown)).to_be_visible(timeout=60_000)  # by itself, step by step: how fast is the machine's
    address = page.url
    page.reload()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()  # still training, still shown
    assert page.url == address
    expect(page.get_by_role("button", name="Stop")).to_be_hidden(timeout=90_000)
    expect(page.get_by_text("Finished").first).to_be_visible()
    no_errors(page)
    context.close()
    found = re.search(r"run=([0-9a-f]+)", address)
    assert found, address
    return found[1]


def test_a_run_starts_grows_survives_a_reload_and_ends(trained: str) -> None:
    assert trained


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1440, 390])
def test_a_link_to_any_page_works_and_fits(page: Page, app: App, trained: str, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{app.url}/{path}")
    expect(page.locator("h1").first).to_be_visible()
    expect(page.get_by_text("Behind this page")).to_be_visible()
    no_errors(page)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth - node.clientWidth") <= 1, "the page scrolls sideways"


def test_attention_follows_a_click_and_a_photo(page: Page, app: App, trained: str) -> None:
    page.goto(f"{app.url}/attention?model=run:{trained}")
    explorer = page.get_by_role("application", name=re.compile("^Attention map")).last
    expect(explorer).to_be_visible()
    before = explorer.screenshot()
    box = explorer.bounding_box()
    assert box
    explorer.click(position={"x": box["width"] * 0.8, "y": box["height"] * 0.2})
    page.mouse.move(0, 0)
    expect(page.get_by_text(re.compile(r"row \d+, column \d+")).first).to_be_visible()
    assert explorer.screenshot() != before
    page.get_by_text("Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files({"name": "disc.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    expect(page.get_by_text("disc.jpg")).to_be_visible()
    expect(page.get_by_role("application", name=re.compile("^Attention map")).last).to_be_visible()
    no_errors(page)


def test_back_leads_from_the_form_to_the_run(page: Page, app: App, trained: str) -> None:
    page.goto(f"{app.url}/train?run={trained}")
    page.get_by_role("button", name="New run").click()
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Finished").first).to_be_visible()
    page.wait_for_url(re.compile(f"run={trained}"))
    page.go_forward()
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
    no_errors(page)


def test_a_text_file_named_png_is_one_sentence(page: Page, app: App, trained: str) -> None:
    page.goto(f"{app.url}/patches")
    page.get_by_text("Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"these are notes"}
    )
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.get_by_text("Behind this page")).to_be_visible()  # the rest of the page stands
    no_errors(page)


def test_a_click_on_a_tile_enlarges_it(page: Page, app: App, trained: str) -> None:
    page.goto(f"{app.url}/positions?model=run:{trained}")
    charts = page.get_by_test_id("stPlotlyChart")
    expect(charts.first).to_be_visible()
    expect(page.get_by_text("Noise floor").first).to_be_visible()
    no_errors(page)


def test_a_bad_address_and_a_deleted_run_are_sentences(page: Page, app: App, trained: str) -> None:
    for address in ("attention?model=nonsense", "attention?model=run:ffff", "train?run=ffff"):
        page.goto(f"{app.url}/{address}")
        expect(page.get_by_role("alert").first).to_be_visible()
        no_errors(page)


def test_a_model_that_takes_long_shows_its_progress_and_can_be_cancelled(page: Page, app: App, trained: str) -> None:
    page.goto(f"{app.url}/attention?model=timm:vit_large_patch16_224@random")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled: Opening the model.")).to_be_visible()
    expect(page.get_by_text("Behind this page")).to_be_visible()  # the rest of the page stands
    with suppress(PlaywrightTimeout):  # gone where the model was built before it could be cancelled: then it is shown
        page.get_by_role("button", name="Do it after all").click(timeout=5000)
    expect(page.get_by_text("These weights are random")).to_be_visible(timeout=150_000)  # 300 million are drawn
    no_errors(page)
