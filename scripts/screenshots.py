"""The pictures in docs/images: start the app on real data, and take them with headless Chromium.

VIT_EXPLORE_DATA=… python scripts/screenshots.py [--seconds 20] [--only train-1280x720-light]

Train after so many seconds of the default preset, at four sizes of the window, light and dark, each with a run of its
own; then Attention, with the bundled model.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "browser")]  # the project is not installed

from app_server import start, stop_tree  # noqa: E402  (the helper lies with the browser tests)

from vit_explore.presets import DEFAULT, presets  # noqa: E402
from vit_explore.runs.store import RunStore  # noqa: E402

OUT = PROJECT / "docs" / "images"
SIZES = ((1280, 720), (1440, 900), (1920, 1080), (390, 844))
SCHEMES = ("light", "dark")
INSIDE = ("attention",)
TRAIN = {f"train-{width}x{height}-{scheme}": (width, height, scheme) for width, height in SIZES for scheme in SCHEMES}


def save(page: Page, name: str) -> None:
    """A WebP: a quarter of a PNG's bytes, with all its colours."""
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(OUT / f"{name}.webp", quality=90, method=6)
    print(f"{name}.webp: {(OUT / f'{name}.webp').stat().st_size / 1000:.0f} KB", flush=True)


def opened(browser: Browser, width: int, height: int, scheme: str) -> Page:
    """A new tab."""
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme).new_page()
    page.set_default_timeout(120_000)
    return page


def train(browser: Browser, url: str, store: RunStore, name: str, seconds: float) -> None:
    """The stage after so many seconds of a run that nobody else watches."""
    page = opened(browser, *TRAIN[name])
    run = store.create(presets.get(DEFAULT).config)
    page.goto(f"{url}/train?run={run}")
    while (store.get(run).elapsed or 0) < seconds:
        time.sleep(0.1)
    page.get_by_alt_text("Attention of block 1").wait_for()
    save(page, name)
    page.context.close()
    store.request_stop(run, test=False)
    while store.get(run).state == "running":
        time.sleep(0.2)


def inside(browser: Browser, url: str, name: str) -> None:
    """A page that looks inside, with the bundled model."""
    page = opened(browser, 1440, 1000, "light")
    page.goto(f"{url}/{name}?model=bundled:vit-cifar10")
    page.get_by_text("Behind this page").wait_for()
    page.wait_for_timeout(2500)
    save(page, name)
    page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of training before Train is taken")
    parser.add_argument("--only", nargs="+", choices=[*TRAIN, *INSIDE], help="some of the pictures")
    options = parser.parse_args()
    wanted = options.only or [*TRAIN, *INSIDE]
    OUT.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp())
    process, url = start(home)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            warm = opened(browser, 1280, 720, "light")
            warm.goto(url)  # the server starts its worker after its first page
            warm.get_by_text("Where to go next").wait_for()
            warm.context.close()
            for name in wanted:
                if name in TRAIN:
                    train(browser, url, RunStore(home), name, options.seconds)
                else:
                    inside(browser, url, name)
            browser.close()
    finally:
        stop_tree(process, home)


main()
