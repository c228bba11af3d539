"""How long a person waits, in headless Chromium: start, pages, first point, photo; and what watching costs.

VIT_EXPLORE_DATA=… python benchmarks/interface.py [--repeats 3] [--seconds 20]

Each line: median (smallest to largest). The peer of "watched" is the same run unwatched, taken in turn in this run.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "browser")]

from app_server import start, stop_tree  # noqa: E402  (the helper lies with the browser tests)

LOSS = "canvas[aria-label*='training loss'][aria-label*=' at ']"


def timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def line(name: str, values: list[float], unit: str = "s") -> None:
    print(f"| {name} | {statistics.median(values):.2f} {unit} | {min(values):.2f} to {max(values):.2f} |", flush=True)


def photo(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((1600, 1200)).save(file, "JPEG")
    return file.getvalue()


def cold_start(browser: Browser, home: Path) -> float:
    """From the shell's command to Home painted; a new process, the files in the disk cache."""
    begin = time.perf_counter()
    process, url = start(home)
    page = browser.new_page()
    page.goto(url)
    page.get_by_role("heading", name="Where to go next").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    seconds = time.perf_counter() - begin
    page.close()
    stop_tree(process, home)
    return seconds


def go(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name, level=1).wait_for()
    page.get_by_text("Behind this page").wait_for()


def upload(page: Page, seed: int) -> None:
    """A new photo to the attention of all heads over it."""
    name = f"photo{seed}.jpg"
    before = page.get_by_role("application").last.screenshot()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": photo(seed)})
    while page.get_by_role("application").last.screenshot() == before:
        page.wait_for_timeout(20)


def start_run(page: Page, url: str, seconds: int) -> float:
    """A click on Start to the first point of the curve, with a warm worker."""
    page.goto(f"{url}/train")
    if page.get_by_role("button", name="New run").count():
        page.get_by_role("button", name="New run").click()
    field = page.get_by_label("Seconds", exact=True)
    field.fill(str(seconds))
    field.press("Enter")
    page.get_by_text(f"{seconds} s", exact=True).first.wait_for()
    begin = time.perf_counter()
    page.get_by_role("button", name="Start training").click()
    page.locator(LOSS).wait_for()
    return time.perf_counter() - begin


def last_speed(home: Path) -> float:
    """Images/s of the newest run, from its own clock."""
    listed = subprocess.run(
        [sys.executable, "-m", "vit_explore", "runs", "list", "--json"],
        capture_output=True, check=True, cwd=PROJECT, env=os.environ | {"VIT_EXPLORE_HOME": str(home)},
    )  # fmt: skip
    return float(json.loads(listed.stdout)[0]["images_per_second"])


def watched_or_not(page: Page, url: str, home: Path, seconds: int, watched: bool) -> tuple[float, float]:
    first = start_run(page, url, seconds)
    if not watched:
        page.goto("about:blank")
    page.wait_for_timeout((seconds + 8) * 1000)
    return first, last_speed(home)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20, help="length of each training run")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | median | range |\n|---|---|---|")
    home = Path(tempfile.mkdtemp())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        line("app start → Home painted", [cold_start(browser, home) for _ in range(options.repeats)])
        process, url = start(home)
        try:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(f"{url}/attention?model=bundled:vit-cifar10")
            page.get_by_role("application").last.wait_for()
            page.wait_for_timeout(20_000)  # the worker warms up
            names = ["Patches", "Position embeddings", "Filters", "Runs", "Attention"]
            for name in names:
                go(page, name)  # the first visit loads a page's scripts
            line("page change", [timed(lambda n=n: go(page, n)) for _ in range(options.repeats) for n in names])
            page.get_by_text("Upload", exact=True).click()
            line("new photo → attention of all heads", [timed(lambda i=i: upload(page, i)) for i in range(5)])
            pairs = [
                [watched_or_not(page, url, home, options.seconds, watched) for watched in (True, False)]
                for _ in range(options.repeats)
            ]
            line("Start → first point, warm worker", [first for pair in pairs for first, _ in pair])
            line("training, watched", [pair[0][1] for pair in pairs], "images/s")
            line("training, unwatched", [pair[1][1] for pair in pairs], "images/s")
            line("watched ÷ unwatched", [pair[0][1] / pair[1][1] for pair in pairs], "")
        finally:
            stop_tree(process, home)
        browser.close()


main()
