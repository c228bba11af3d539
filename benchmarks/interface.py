"""How long a person waits, in headless Chromium: start, pages, frames, first point, photo; and what watching costs.

VIT_EXPLORE_DATA=… python benchmarks/interface.py [--repeats 3] [--seconds 20]

The peer of "watched" is the same run unwatched, taken in turn in this run. --device is that of these runs; the run of
the first point is the page's default preset.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

from browser import cold_start, first_point, go, moves, reload_home, slider_frames, timed, upload
from common import PROJECT, heading, options, row, table
from playwright.sync_api import Browser, Page, sync_playwright
from watchers import finished, watched_run

from vit_explore.config import RunConfig
from vit_explore.data import dataset_status
from vit_explore.presets import presets
from vit_explore.runs.store import RunStore

PAGES = ["Patches", "Position embeddings", "Filters", "Runs", "Attention"]
FRAMES, PHOTOS = 10, 5
FIRST_POINT_SECONDS = 50  # the budget of a run that is stopped at its first point
MANY = 10
IMPORTS = ("vit_explore", "vit_explore.cli")
WAKING_SECONDS = 2
NOTE_PICTURES = """() => {
    window.newPictures = [];
    const tiles = () => [...document.querySelectorAll('*')]
        .map(element => element.shadowRoot && element.shadowRoot.querySelector('.tiles img')).find(Boolean);
    const waiting = setInterval(() => {
        if (!tiles()) return;
        clearInterval(waiting);
        const note = () => window.newPictures.push(performance.now() / 1000);
        new MutationObserver(note).observe(tiles(), { attributes: true, attributeFilter: ['src'] });
    }, 250);
}"""


def imports(repeats: int) -> dict[str, list[float]]:
    """Seconds of a new process that imports, less those of one that does nothing, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(repeats):
        bare = process_seconds("pass")
        for name in IMPORTS:
            seconds[name].append(process_seconds(f"import {name}") - bare)
    return seconds


def process_seconds(statement: str) -> float:
    return timed(lambda: subprocess.run([sys.executable, "-c", statement], check=True, cwd=PROJECT))


def wait_for_attention(page: Page, url: str) -> None:
    page.goto(f"{url}/attention?model=bundled:vit-cifar10")
    page.get_by_role("application").last.wait_for()


def waiting(page: Page, url: str, args: argparse.Namespace) -> None:
    """The rows of the pages: all in one server that is warm."""
    row("Home again, same server", [reload_home(page, url) for _ in range(args.repeats)], "s")
    wait_for_attention(page, url)
    for name in PAGES:
        go(page, name)  # the first visit loads a page's scripts
    row("page change", [timed(partial(go, page, n)) for _ in range(args.repeats) for n in PAGES], "s")
    row("slider → position embeddings of another snapshot", slider_frames(page, url, FRAMES * args.repeats), "s")
    wait_for_attention(page, url)
    page.get_by_text("Upload", exact=True).click()
    row("new photo → attention of all heads", [timed(partial(upload, page, i)) for i in range(PHOTOS)], "s")
    covered = moves(page, url, min(14, PHOTOS * args.repeats))
    row("Rearrange it: a piece covered → both models' answers and maps", covered, "s")
    points = [first_point(page, url, FIRST_POINT_SECONDS) for _ in range(args.repeats)]
    row("Start → first point, warm worker", points, "s")


def watched_by_chromium(page: Page, url: str, store: RunStore, config: RunConfig, gaps: list[float]) -> float:
    """Images/s of a run whose stage is open in the browser, curves and pictures; `gaps` gets the seconds between new
    pictures."""
    run = store.create(config)
    page.goto(f"{url}/train?run={run}")
    page.evaluate(NOTE_PICTURES)
    record = finished(store, run)
    seen: list[float] = page.evaluate("window.newPictures")
    gaps += [after - before for before, after in pairwise(seen)]
    page.goto("about:blank")
    return record.images_per_second or 0.0


def watching(page: Page, url: str, store: RunStore, config: RunConfig, repeats: int) -> None:
    """The speed of a run unwatched, in one page of Chromium, and with many pages whose browsers are elsewhere."""
    page.goto("about:blank")

    def unseen(count: int) -> Callable[[], float]:
        return lambda: watched_run(url, store, config, count).images_per_second or 0.0

    gaps: list[float] = []
    ways = {
        "unwatched": unseen(0),
        "watched in Chromium": lambda: watched_by_chromium(page, url, store, config, gaps),
        f"watched by {MANY} pages, browsers elsewhere": unseen(MANY),
    }
    rounds = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    for name in ways:
        row(f"training, {name}", [speeds[name] for speeds in rounds], "images/s", 0)
    for name in list(ways)[1:]:
        row(f"{name} ÷ unwatched", [speeds[name] / speeds["unwatched"] for speeds in rounds])
    if gaps:
        row("watched in Chromium, from new pictures to the next", gaps, "s")


def measure(browser: Browser, home: Path, args: argparse.Namespace) -> None:
    from app_server import start, stop_tree

    table(("what", "median", "range"))
    for name, seconds in imports(args.repeats).items():
        row(f"import {name}", seconds, "s")
    row("app start → Home painted", [cold_start(browser) for _ in range(args.repeats)], "s")
    preset = "minute" if dataset_status("cifar10").available else "shapes"
    config = presets.get(preset).config.update(seconds=args.seconds, device=args.device)
    process, url = start(home)
    try:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        wait_for_attention(page, url)
        watched_run(url, RunStore(home), config.update(seconds=WAKING_SECONDS), 1)  # the data are decoded, too
        waiting(page, url, args)
        watching(page, url, RunStore(home), config, args.repeats)
    finally:
        stop_tree(process, home)


def main() -> None:
    args = options(__doc__ or "", seconds=20).parse_args()
    heading("filling the disk cache", "a page's first visit", "waking the worker")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, sync_playwright() as playwright:
        os.environ["VIT_EXPLORE_HOME"] = home
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        measure(browser, Path(home), args)
        browser.close()


if __name__ == "__main__":
    main()
