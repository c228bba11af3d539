"""What a person does in the app, done by Chromium; each function gives the seconds until the page shows the answer."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

APP = Path("app.py")  # in the project's folder
LOSS = "canvas[aria-label*='training loss'][aria-label*=' at ']"
PICTURES = """() => [...document.querySelectorAll('.js-plotly-plot .hm image, .js-plotly-plot .im image')]
    .map(image => image.getAttribute('xlink:href') || image.getAttribute('href'))"""


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def home_painted(page: Page) -> None:
    page.get_by_role("heading", name="Where to go next").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()


def cold_start(browser: Browser, app: Path = APP, painted: Callable[[Page], None] = home_painted) -> float:
    """From the shell's command to an app `painted`; a new process, the files in the disk cache."""
    from app_server import start, stop_tree

    home = Path(tempfile.mkdtemp())  # of its own: a worker that was ended before it was warm is not retried at once
    begin = time.perf_counter()
    process, url = start(home, app=app)
    try:
        page = browser.new_page()
        page.goto(url)
        painted(page)
        seconds = time.perf_counter() - begin
        page.close()
    finally:
        stop_tree(process, home)
    return seconds


def reload_home(page: Page, url: str) -> float:
    """From the address to Home painted, in a server that has shown it before."""

    def paint() -> None:
        page.goto(url)
        home_painted(page)

    page.goto("about:blank")
    return timed(paint)


def go(page: Page, name: str) -> None:
    """To another page by the navigation."""
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, level=1).wait_for()
    page.get_by_text("Behind this page").wait_for()


def slide(page: Page, key: str) -> None:
    """One step of the snapshot slider, until all maps are there and one of them is another."""
    before = page.evaluate(PICTURES)
    page.get_by_role("slider").press(key)
    while len(now := page.evaluate(PICTURES)) != len(before) or now == before:
        page.wait_for_timeout(10)


def slider_frames(page: Page, url: str, count: int) -> list[float]:
    """Frames of the position embeddings of the bundled model, from snapshot to snapshot, back and forth."""
    page.goto(f"{url}/positions?model=bundled:vit-cifar10")
    page.wait_for_function(f"({PICTURES})().length > 0")
    page.get_by_text("Behind this page").wait_for()
    for key in ("ArrowLeft", "ArrowRight"):
        slide(page, key)  # the first time loads the model
    keys = islice(cycle(("ArrowLeft", "ArrowRight")), count)
    return [timed(partial(slide, page, key)) for key in keys]


def photo(seed: int) -> bytes:
    """A JPEG of 1600 × 1200 pixels."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((1600, 1200)).save(file, "JPEG")
    return file.getvalue()


def upload(page: Page, seed: int) -> None:
    """A new photo to the attention of all heads over it."""
    name = f"photo{seed}.jpg"
    before = page.get_by_role("application").last.screenshot()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": photo(seed)})
    while page.get_by_role("application").last.screenshot() == before:
        page.wait_for_timeout(20)


def moves(page: Page, url: str, count: int) -> list[float]:
    """Pieces of a picture covered one after another: from the key to what both models say, and their maps.

    count: at most 14, since the board has 16 pieces.
    """
    page.goto(f"{url}/rearrange?model=bundled:vit-cifar10&picture=sample:cat")
    cells = page.locator(".board .cell")
    page.get_by_text("says ").last.wait_for()
    seconds = []
    for covered in range(1, count + 2):  # the first move warms up
        cells.nth(covered).focus()
        begin = time.perf_counter()
        page.keyboard.press("c")
        page.get_by_text(f"{covered} are covered.").wait_for()  # the last line that a move draws
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def first_point(page: Page, url: str, seconds: int) -> float:
    """A click on Start to the first point of the curve, with a warm worker; the run is stopped then."""
    page.goto(f"{url}/train")
    page.get_by_text("Behind this page").wait_for()
    if page.get_by_role("button", name="New run").count():
        page.get_by_role("button", name="New run").click()
    field = page.get_by_label("Seconds", exact=True)
    field.fill(str(seconds))
    field.press("Enter")
    page.get_by_text(f"{seconds} s", exact=True).first.wait_for()
    begin = time.perf_counter()
    page.get_by_role("button", name="Start training").click()
    page.locator(LOSS).wait_for()
    waited = time.perf_counter() - begin
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for()
    return waited
