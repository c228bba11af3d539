"""Thirty people at once: each opens page after page, while a run trains; how long until a page has answered.

python benchmarks/classroom.py [--sessions 30] [--seconds 120] [--pause 10]     ends with 1 after an exception

Their browsers draw elsewhere (see watchers.py). `--pause`: seconds on a page, half to one and a half of it, at random.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import common
import numpy as np
from tab import Tab
from watchers import TROUBLE, until_training, visit

from vit_explore.presets import presets
from vit_explore.runs.store import RunStore
from vit_explore.ui import site

Seconds = dict[str, list[float]]  # by page


async def person(url: str, number: int, end: float, pause: float, seconds: Seconds) -> None:
    """Open the app, then page after page until `end` (of time.monotonic)."""
    rng, tab = random.Random(number), Tab(url, "", "")
    reading = asyncio.ensure_future(tab.watch())
    await asyncio.wait({reading, asyncio.ensure_future(tab.painted.wait())}, return_when=asyncio.FIRST_COMPLETED)
    while time.monotonic() < end and not reading.done():
        page = rng.choice(site.PAGES)
        going = asyncio.ensure_future(tab.go("" if page.name == "home" else page.name))
        await asyncio.wait({reading, going}, return_when=asyncio.FIRST_COMPLETED)
        if going.done():
            seconds[page.title].append(going.result())
        await asyncio.sleep(pause * rng.uniform(0.5, 1.5))
    if reading.done():
        reading.result()  # a page that ended early says why
    reading.cancel()


async def everybody(url: str, args: argparse.Namespace) -> Seconds:
    seconds: Seconds = defaultdict(list)
    end = time.monotonic() + args.seconds
    await asyncio.gather(*(person(url, number, end, args.pause, seconds) for number in range(args.sessions)))
    return seconds


def lesson(home: Path, args: argparse.Namespace) -> tuple[Seconds, list[str], str]:
    """The app with a run in training; gives the seconds, the lines of the log that tell of trouble, the run's state."""
    from app_server import start, stop_tree

    process, url = start(home)
    store = RunStore(home)
    try:
        visit(url)
        run = store.create(presets.get(args.preset).config.update(seconds=args.seconds + 10))
        until_training(store, run)
        seconds = asyncio.run(everybody(url, args))
        state = store.get(run).state
    finally:
        stop_tree(process, home)
    log = (home / "app.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return seconds, [line for line in log if any(word in line for word in TROUBLE)], state


def report(seconds: Seconds) -> None:
    common.table(("page", "visits", "median", "95 % within"))
    everywhere = [second for values in seconds.values() for second in values]
    for page, values in [*sorted(seconds.items()), ("all", everywhere)]:
        print(f"| {page} | {len(values)} | {np.median(values):.2f} s | {np.quantile(values, 0.95):.2f} s |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=30, help="people")
    parser.add_argument("--seconds", type=float, default=120, help="how long the lesson lasts")
    parser.add_argument("--pause", type=float, default=10, help="seconds that each stays on a page")
    parser.add_argument("--preset", default="shapes", help="what trains: one of " + ", ".join(presets.names()))
    args = parser.parse_args()
    common.heading("each person's first page", "the drawing in the browsers")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["VIT_EXPLORE_HOME"] = home
        seconds, trouble, state = lesson(Path(home), args)
    report(seconds)
    print(f"\n{args.sessions} people, a run in training ({state}). Exceptions in the log: {len(trouble)} lines.")
    print(*trouble, sep="\n", end="\n" if trouble else "")
    return 1 if trouble or not seconds else 0


if __name__ == "__main__":
    sys.exit(main())
