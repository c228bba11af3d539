"""A lesson under load: people who go from page to page and send photos, while a run trains on the same machine.

python benchmarks/classroom.py [--sessions 1,10,30,60] [--seconds 600] [--browsers 3]     ends with 1 after an exception

The lesson is served as for a class, and everybody has joined. People are websocket clients that ask for what a browser
asks for (see tab.py); their browsers draw elsewhere. `--browsers` of them are headless Chromium here, which do draw, on
the same cores and open each page anew; a lesson of no more people has none. Everybody opens a page every `--pause`
seconds, every third time Attention with a photo of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import common
import numpy as np
import psutil
from PIL import Image
from tab import Tab
from watchers import TROUBLE, until_training
from websockets.exceptions import ConnectionClosed

from vit_explore.classroom.addresses import LESSON
from vit_explore.presets import presets
from vit_explore.runs.lessons import Lessons
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.session import uploads
from vit_explore.ui.session.room import COOKIE

Seconds = dict[str, list[float]]  # by page
ALONE = 20.0  # seconds of training before the class comes, and after it has left
GONE = 150.0  # seconds after which a server has forgotten who left
PHOTO = "a new photo on Attention"
PATIENCE = 60.0  # seconds that the last page may take
T = TypeVar("T")

MB = 1e6


@dataclass(frozen=True)
class Room:
    """A lesson that is served: where, from which home, by which process, and the cookie of who joined."""

    url: str
    home: Path
    server: psutil.Process
    cookies: list[str]
    store: RunStore = field(compare=False)


@dataclass
class Found:
    """What one lesson showed. seconds: by page; drawn: in Chromium, of all pages; rates: images/s of the run alone, in
    the lesson and alone again; memory: bytes of the server before, at most, and after everybody had left."""

    sessions: int
    seconds: Seconds
    drawn: list[float]
    rates: tuple[float, float, float]
    memory: tuple[float, float, float]
    trouble: list[str]


@contextmanager
def served(home: Path, people: int) -> Iterator[Room]:
    """`serve`, and so many people who have joined."""
    from app_server import PROJECT, free_port, stop_tree, wait_until_up

    port, log = free_port(), home / "app.log"
    command = [sys.executable, "-m", "vit_explore", "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "VIT_EXPLORE_HOME": str(home)}
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until_up(url := f"http://127.0.0.1:{port}", process)
        code = re.search(r"class code: (\w+)", log.read_text())
        assert code is not None
        (server,) = [one for one in psutil.Process(process.pid).children() if "streamlit" in " ".join(one.cmdline())]
        lessons, lesson = Lessons(home), server.environ()[LESSON]
        tokens = [lessons.join(lesson, code[1], f"Person {number}")[1] for number in range(people)]
        yield Room(url, home, server, [f"{COOKIE}={token}" for token in tokens], RunStore(home))
    finally:
        stop_tree(process, home)


def photo(rng: random.Random) -> bytes:
    """A JPEG of 1280 × 960, unlike any other."""
    noise = np.random.default_rng(rng.getrandbits(32)).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((1280, 960), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


async def person(room: Room, number: int, first: str, end: float, pause: float, seconds: Seconds) -> list[str]:
    """Open the app, then page after page until `end` (of time.monotonic); gives what went wrong, after which one opens
    it anew. first: a picture that is there already."""
    rng, trouble = random.Random(number), []
    await asyncio.sleep(pause * rng.random())
    while time.monotonic() < end:
        tab = Tab(room.url, "", "", room.cookies[number])
        try:
            async with asyncio.timeout(end + PATIENCE - time.monotonic()):
                await visit_pages(tab, rng, number, first, end, pause, seconds)
        except (RuntimeError, OSError, TimeoutError, ConnectionClosed) as error:
            trouble.append(f"person {number}: {type(error).__name__}: {error}")
    return trouble


async def visit_pages(
    tab: Tab, rng: random.Random, turn: int, first: str, end: float, pause: float, seconds: Seconds
) -> None:
    """Raises RuntimeError where a page shows an exception, or not what it was asked for."""
    reading = asyncio.ensure_future(tab.watch())
    try:
        await first_of(reading, tab.painted.wait())
        while time.monotonic() < end:
            page, turn = rng.choice(site.PAGES), turn + 1
            if turn % 3 == 0:
                await first_of(reading, tab.go("attention", f"picture=upload:{first}"))
                seconds[PHOTO].append(await first_of(reading, tab.upload("p.jpg", photo(rng))))
            else:
                seconds[page.title].append(await first_of(reading, tab.go("" if page is site.HOME else page.name)))
            await asyncio.sleep(pause * rng.uniform(0.5, 1.5))
    finally:
        reading.cancel()


async def first_of(reading: asyncio.Future[None], asked: Coroutine[Any, Any, T]) -> T:
    """The answer, unless the page ends before."""
    going = asyncio.ensure_future(asked)
    await asyncio.wait({reading, going}, return_when=asyncio.FIRST_COMPLETED)
    if not going.done():
        going.cancel()
        reading.result()  # a page that ended early says why
    return going.result()


async def everybody(room: Room, people: int, args: argparse.Namespace, seconds: Seconds) -> list[str]:
    first = uploads.keep(np.zeros((32, 32, 3), np.uint8))
    end = time.monotonic() + args.seconds
    troubles = await asyncio.gather(
        *(person(room, number, first, end, args.pause, seconds) for number in range(people))
    )
    return [trouble for one in troubles for trouble in one]


def draw(room: Room, cookies: list[str], end: float, pause: float, seconds: list[float], trouble: list[str]) -> None:
    """Chromium, a tab for each cookie, until `end` (of time.monotonic): the first watches the run all the time, the
    others open page after page. seconds: until all of a page was there."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        path, flags = shutil.which("chromium") or shutil.which("google-chrome"), ["--no-sandbox", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        tabs = [opened(chromium, room, cookie) for cookie in cookies]
        turn = 0
        while time.monotonic() < end:
            for tab in tabs if turn == 0 else tabs[1:]:
                page = site.page("train") if turn == 0 else site.PAGES[turn % len(site.PAGES)]
                begun = time.perf_counter()
                try:
                    tab.goto(f"{room.url}/{'' if page is site.HOME else page.name}", wait_until="commit")
                    tab.get_by_text("Behind this page").wait_for(state="attached")
                    seconds.append(time.perf_counter() - begun)
                except Error as error:
                    trouble.append(f"Chromium on {page.title}: {str(error).splitlines()[0]}")
                turn += 1
            time.sleep(pause)
        chromium.close()


def opened(chromium: Any, room: Room, cookie: str) -> Any:
    """A tab of a browser of its own, where somebody has joined."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    name, _, value = cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": room.url}])
    tab = context.new_page()
    tab.set_default_timeout(1000 * PATIENCE)
    return tab


def rate(store: RunStore, run: str, since: tuple[float, int]) -> float:
    """Images/s of the run since a moment."""
    began, seen = since
    return ((store.get(run).images_seen or 0) - seen) / (time.monotonic() - began)


def mark(store: RunStore, run: str) -> tuple[float, int]:
    return time.monotonic(), store.get(run).images_seen or 0


def lesson(home: Path, sessions: int, args: argparse.Namespace) -> Found:
    """One lesson: a run alone, then with everybody, then alone again."""
    seconds: Seconds = defaultdict(list)
    memory: list[float] = []
    browsers = args.browsers if sessions > args.browsers else 0
    with served(home, sessions) as room:
        asyncio.run(warm(room))
        config = presets.get(args.preset).config.update(
            low_res_fraction=0, seconds=args.seconds + 2 * ALONE + GONE + 120
        )
        run = room.store.create(config)
        until_training(room.store, run)
        before, since = room.server.memory_info().rss, mark(room.store, run)
        time.sleep(ALONE)
        alone, since = rate(room.store, run, since), mark(room.store, run)
        over = threading.Event()
        watching = threading.Thread(target=watch, args=(room.server, memory, over), daemon=True)
        cookies, drawn, missed = room.cookies[sessions - browsers :], [], []
        asked = (room, cookies, time.monotonic() + args.seconds, args.pause, drawn, missed)
        drawing = threading.Thread(target=draw, args=asked, daemon=True)
        watching.start()
        if browsers:
            drawing.start()
        trouble = asyncio.run(everybody(room, sessions - browsers, args, seconds))
        together = rate(room.store, run, since)
        if browsers:
            drawing.join(2 * PATIENCE)
        trouble += missed
        over.set()
        watching.join()
        time.sleep(GONE)
        since = mark(room.store, run)
        time.sleep(ALONE)
        again, after = rate(room.store, run, since), room.server.memory_info().rss
        state = room.store.get(run).state
        room.store.request_stop(run)
    log = (home / "app.log").read_text(encoding="utf-8", errors="replace").splitlines()
    trouble += [line for line in log if any(word in line for word in TROUBLE)]
    trouble += [] if state == "running" else [f"the run is {state}"]
    return Found(sessions, seconds, drawn, (alone, together, again), (before, max(memory), after), trouble)


async def warm(room: Room) -> None:
    """The first page of a fresh server imports what it needs."""
    tab = Tab(room.url, "", "", room.cookies[0])
    reading = asyncio.ensure_future(tab.watch())
    for page in ("", "attention", "positions"):
        await asyncio.wait_for(tab.go(page) if page else tab.painted.wait(), 120)
    reading.cancel()


def watch(server: psutil.Process, memory: list[float], over: threading.Event) -> None:
    while not over.wait(0.5) and server.is_running():
        memory.append(server.memory_info().rss)


def report(found: Found) -> None:
    pages = [second for title, values in found.seconds.items() if title != PHOTO for second in values]
    photos = found.seconds.get(PHOTO, [])
    before, most, after = (value / MB for value in found.memory)
    alone = (found.rates[0] + found.rates[2]) / 2
    cells = (
        f"{found.sessions}", f"{len(pages)}", _quantiles(pages), _quantiles(photos), _quantiles(found.drawn),
        f"{found.rates[1]:,.0f} of {alone:,.0f}: {found.rates[1] / alone:.0%}",
        f"{(most - before) / found.sessions:.0f} MB", f"{most:,.0f} MB", f"{before:,.0f} to {after:,.0f} MB",
        f"{len(found.trouble)}",
    )  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)
    print(*found.trouble, sep="\n", end="\n" if found.trouble else "", file=sys.stderr)


def _quantiles(values: list[float]) -> str:
    return f"{np.median(values):.2f}, {np.quantile(values, 0.95):.2f} s" if values else "–"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sessions", default="1,10,30,60", help="people, browsers included; one lesson for each number"
    )
    parser.add_argument("--seconds", type=float, default=600, help="how long a lesson lasts")
    parser.add_argument("--pause", type=float, default=20, help="seconds that each stays on a page, about")
    parser.add_argument("--browsers", type=int, default=0, help="how many of them are Chromium on this machine")
    parser.add_argument("--preset", default="shapes", help="what trains: one of " + ", ".join(presets.names()))
    args = parser.parse_args()
    common.heading("the drawing in the browsers, but for those that run here")
    heads = "sessions", "pages", "a page: median, 95 %", "a new photo: median, 95 %", "in Chromium: median, 95 %"
    common.table(
        (*heads, "training: images/s", "memory a session", "memory at most", "before, and after all left", "exceptions")
    )
    is_sound = True
    for sessions in map(int, args.sessions.split(",")):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            os.environ["VIT_EXPLORE_HOME"] = home
            found = lesson(Path(home), sessions, args)
        report(found)
        is_sound = is_sound and not found.trouble and bool(found.seconds)
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
