"""From Stop to stopped, for a model whose single step takes minutes: in the app, in Chromium, and by Ctrl-C.

VIT_EXPLORE_DATA=… python benchmarks/stopping.py [--seconds 20] [--repeats 3] [--width 1536] [--patch-size 2]

All classes of CIFAR-10 where it is on this machine, else of Shapes. Each is asked to stop --seconds after it was
started: on the way to its first step or within it. In the app another run waits behind it, and the time until that one
trains is measured too, by a worker that was replaced in place. It needs a few GB of memory; see `train --dry-run`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import PROJECT, heading, options, row, table
from playwright.sync_api import Page, sync_playwright

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.data import dataset_status
from vit_explore.runs.store import RunStore

LIMIT = 600.0  # seconds, after which a benchmark has failed


def wait(what: Callable[[], object]) -> float:
    """Seconds until it holds."""
    begun = time.perf_counter()
    while not what():
        assert time.perf_counter() < begun + LIMIT, "waited too long"
        time.sleep(0.05)
    return time.perf_counter() - begun


def state(store: RunStore, run: str) -> str:
    return store.get(run).state


def by_ctrl_c(config: RunConfig, after: float) -> float:
    """Seconds from SIGINT to the end of the command, which leaves a stopped run."""
    words = ["--dataset", config.data.dataset, "--classes", "none", "--device", config.train.device]
    words += ["--width", str(config.model.width), "--patch-size", str(config.model.patch_size)]
    store, before = RunStore(), {record.id for record in RunStore().list()}
    process = subprocess.Popen([sys.executable, "-m", "vit_explore", "train", "--quiet", *words], cwd=PROJECT)
    wait(lambda: {record.id for record in store.list()} - before)
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    seconds = wait(lambda: process.poll() is not None)
    (run,) = {record.id for record in store.list()} - before
    assert (process.returncode, state(store, run)) == (130, "stopped")
    return seconds


def in_the_app(page: Page, url: str, store: RunStore, config: RunConfig, after: float) -> tuple[float, float, float]:
    """Seconds from the click: to the run's state, to the page that shows it, and to the next run's first step."""
    run, waiting = store.create(config), store.create(small())
    page.goto(f"{url}/train?run={run}")
    stop = page.get_by_role("button", name="Stop", exact=True)
    wait(lambda: state(store, run) == "running")
    time.sleep(after)
    stop.click()
    begun = time.perf_counter()
    stopped = wait(lambda: state(store, run) == "stopped")
    page.get_by_role("button", name="Resume").wait_for()
    shown = time.perf_counter() - begun
    store.delete(run)
    wait(lambda: store.get(waiting).step)
    goes_on = time.perf_counter() - begun
    wait(lambda: state(store, waiting) == "finished")
    return stopped, shown, goes_on


def small() -> RunConfig:
    """The run that waits behind."""
    return RunConfig(data=DataConfig(dataset="shapes", per_class=20), train=TrainConfig(seconds=2))


def huge(args: argparse.Namespace) -> RunConfig:
    """All classes, at the size that was asked for."""
    dataset = "cifar10" if dataset_status("cifar10").available else "shapes"
    model = ModelConfig(width=args.width, patch_size=args.patch_size)
    return RunConfig(data=DataConfig(dataset=dataset), model=model, train=TrainConfig(seconds=60, device=args.device))


def measure(page: Page, home: Path, args: argparse.Namespace) -> None:
    from app_server import start, stop_tree

    table(("what", "median", "range"))
    config = huge(args)
    row("Ctrl-C → the command has ended", [by_ctrl_c(config, args.seconds) for _ in range(args.repeats)], "s")
    process, url = start(home)
    try:
        page.set_default_timeout(LIMIT * 1000)
        rounds = [in_the_app(page, url, RunStore(home), config, args.seconds) for _ in range(args.repeats)]
    finally:
        stop_tree(process, home)
    for place, name in enumerate(("the run is stopped", "the page says so", "the next run trains")):
        row(f"a click on Stop → {name}", [seconds[place] for seconds in rounds], "s")


def main() -> None:
    parser = options(__doc__ or "", seconds=20, repeats=1)
    parser.add_argument("--width", type=int, default=1536)
    parser.add_argument("--patch-size", type=int, default=2)
    args = parser.parse_args()
    heading("the start of the app")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, sync_playwright() as playwright:
        os.environ["VIT_EXPLORE_HOME"] = home
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        measure(browser.new_page(), Path(home), args)
        browser.close()


if __name__ == "__main__":
    main()
