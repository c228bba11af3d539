"""The README's pictures: start the app on real data, train for a minute, and take them with headless Chromium.

VIT_EXPLORE_DATA=… python scripts/screenshots.py [--seconds 60]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests" / "browser"))

from app_server import start, stop_tree  # noqa: E402  (the helper lies with the browser tests)

OUT = PROJECT / "docs" / "images"


def train_page(page: Page, url: str, seconds: int) -> None:
    """Start the default preset, and photograph it when most of its time is over."""
    page.goto(f"{url}/train")
    page.get_by_role("button", name="Start training").click()
    page.locator("canvas[aria-label*='training loss'][aria-label*=' at ']").wait_for()
    page.wait_for_timeout(int(seconds * 800))
    page.set_viewport_size({"width": 1440, "height": 1500})
    page.wait_for_timeout(3000)
    page.screenshot(path=OUT / "train.png")
    page.get_by_role("button", name="Stop").wait_for(state="hidden", timeout=seconds * 2000 + 120_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="length of the preset's run")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp())
    process, url = start(home)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(60_000)
            train_page(page, url, options.seconds)
            for name in ("attention", "positions", "filters"):
                page.set_viewport_size({"width": 1440, "height": 1000})
                page.goto(f"{url}/{name}?model=bundled:vit-cifar10")
                page.get_by_text("Behind this page").wait_for()
                page.wait_for_timeout(2500)
                page.screenshot(path=OUT / f"{name}.png")
            browser.close()
    finally:
        stop_tree(process, home)


main()
