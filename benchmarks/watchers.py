"""Pages that watch a run without a browser: what the server has to do for them is real, drawing them costs nothing.

python benchmarks/watchers.py [--sessions 10] [--seconds 180]     ends with 1 when the server's log has an exception,
or a page was not redrawn

In a classroom each browser draws on a computer of its own. Ten or thirty of them on the machine that trains would
measure the browsers. So these clients say what Streamlit's frontend says on its websocket, and only count the answers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import common  # noqa: F401 - puts the project on the path
from tab import Tab

from vit_explore.config import RunConfig
from vit_explore.presets import presets
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit.wording import ACTIVE

QUEUED_SECONDS = 120.0
TROUBLE = ("Traceback", "Error", "Exception")  # in a line of the server's log
VISIT_SECONDS = 60.0  # the first page of a fresh server imports what it needs


class Watchers:
    """`count` pages that watch a run from `with` to its end.

    with Watchers("http://127.0.0.1:8501", run="3f2a", count=10) as watchers: ...
    """

    def __init__(self, url: str, run: str, count: int) -> None:
        self._pages = [Tab(url, "train", f"run={run}") for _ in range(count)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="watchers", daemon=True)

    def __enter__(self) -> Watchers:
        self._thread.start()
        self._watching = [asyncio.run_coroutine_threadsafe(page.watch(), self._loop) for page in self._pages]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = [future for future in self._watching if future.done()]
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for future in ended if error is None else []:
            future.result()  # a page that ended early says why

    async def _close(self) -> None:
        """End all that runs on the loop, the timers and the connections too."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def updates(self) -> int:
        """The messages that came so far, of all pages together."""
        return sum(self.updates_each)

    @property
    def updates_each(self) -> list[int]:
        """The messages that came so far, by page."""
        return [page.messages for page in self._pages]


def visit(url: str) -> None:
    """Open Home once: it settles a fresh server's navigation, and two seconds later the server starts its worker."""

    async def home() -> None:
        page = Tab(url, "", "")
        watching = asyncio.ensure_future(page.watch())
        await asyncio.wait({watching, asyncio.ensure_future(page.painted.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        watching.cancel()

    asyncio.run(asyncio.wait_for(home(), VISIT_SECONDS))


def watched_run(url: str, store: RunStore, config: RunConfig, count: int) -> RunRecord:
    """Let the app's worker train a run to its end while `count` pages watch it."""
    run = store.create(config)
    with Watchers(url, run, count):
        return finished(store, run)


def watched_log(home: Path, config: RunConfig, count: int, seconds: float) -> Watched:
    """Start the app, let `count` pages watch a run for so many seconds, and read the server's log."""
    from app_server import start, stop_tree

    process, url = start(home)
    store = RunStore(home)
    try:
        visit(url)
        run = store.create(config.update(seconds=seconds + 5))
        until_training(store, run)
        with Watchers(url, run, count) as watchers:
            time.sleep(seconds)
            updates = watchers.updates_each
        state = ended(store, run).state
    finally:
        stop_tree(process, home)
    lines = (home / "app.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return Watched(
        updates, state, tuple(line for line in lines if any(word in line for word in TROUBLE)), "\n".join(lines)
    )


@dataclass(frozen=True)
class Watched:
    """updates: messages by page; state: of the run at its end; trouble: the log's lines that tell of an exception."""

    updates: list[int]
    state: str
    trouble: tuple[str, ...]
    log: str


def finished(store: RunStore, run: str) -> RunRecord:
    """The run at its end. Raises RuntimeError for one that did not finish."""
    record = ended(store, run)
    if record.state != "finished":
        raise RuntimeError(f"The run {run} is {record.state}: {record.error}")
    return record


def ended(store: RunStore, run: str) -> RunRecord:
    """The run when it is not active any more, however that came about."""
    until_training(store, run)
    while (record := store.get(run)).state in ACTIVE:
        time.sleep(0.25)
    return record


def until_training(store: RunStore, run: str) -> None:
    """Wait until a worker has made the run's first step. Raises RuntimeError when none takes it."""
    deadline = time.monotonic() + QUEUED_SECONDS
    while (record := store.get(run)).state in ACTIVE and not record.step:
        if time.monotonic() > deadline:
            raise RuntimeError(f"No worker took the run {run} within {QUEUED_SECONDS} s; see {store.home}/worker.log")
        time.sleep(0.25)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10, help="watching pages")
    parser.add_argument("--seconds", type=float, default=180, help="how long they watch")
    parser.add_argument(
        "--preset", default="shapes", help="the run that is trained: one of " + ", ".join(presets.names())
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["VIT_EXPLORE_HOME"] = home
        watched = watched_log(Path(home), presets.get(args.preset).config, args.sessions, args.seconds)
    print(f"{args.sessions} pages watched for {args.seconds:g} s, {min(watched.updates)} updates each at least.")
    print(f"The run: {watched.state}. Exceptions in the server's log: {len(watched.trouble)} lines.")
    if watched.trouble:
        print(watched.log)
    is_dull = min(watched.updates) < args.seconds / 2  # a page that is not redrawn proves nothing
    return 1 if watched.trouble or watched.state != "finished" or is_dull else 0


if __name__ == "__main__":
    sys.exit(main())
