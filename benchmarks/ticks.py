"""What a page that watches a run costs the server: CPU-seconds of the app's process, of one tab or many.

python benchmarks/ticks.py [--seconds 10] [--repeats 3] [--sessions 1]

Streamlit collects garbage after each tick. "as it is" freezes once, after the heavy imports; its peers are the same
app without any freeze, and with Streamlit's collection switched off. A Shapes run is trained meanwhile.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
from common import heading, options, row, table
from watchers import Watchers, ended, until_training, visit

from vit_explore.presets import presets
from vit_explore.runs.store import RunStore

WAYS: dict[str, tuple[str, ...]] = {  # the command of the app
    "as it is": ("-m", "streamlit"),
    "without the freeze": (
        "-c", "import gc; gc.freeze = lambda: None; from streamlit.web.cli import main; main()",
    ),
    "without Streamlit's collection": (
        "-c", "import os; os.environ['STREAMLIT_RUNNER_POST_SCRIPT_GC'] = 'false'; "
        "from streamlit.web.cli import main; main()",
    ),
}  # fmt: skip
SETTLED_SECONDS = 25.0  # after the first page: all imports are done, and the freeze


def cost(way: str, args: argparse.Namespace) -> float:
    """CPU-seconds of the app's process in `args.seconds` of watching."""
    from app_server import start, stop_tree

    home = Path(tempfile.mkdtemp())
    os.environ["VIT_EXPLORE_HOME"] = str(home)
    process, url = start(home, WAYS[way])
    store = RunStore(home)
    try:
        visit(url)
        length = SETTLED_SECONDS + args.seconds + 30
        run = store.create(presets.get("shapes").config.update(seconds=length, device=args.device))
        until_training(store, run)
        with Watchers(url, run, args.sessions):
            time.sleep(SETTLED_SECONDS)
            before = cpu_seconds(process.pid)
            time.sleep(args.seconds)
            spent = cpu_seconds(process.pid) - before
        store.request_stop(run)
        ended(store, run)
    finally:
        stop_tree(process, home)
    return spent


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def main() -> None:
    parser = options(__doc__ or "", seconds=10)
    parser.add_argument("--sessions", type=int, default=1, help="watching tabs")
    args = parser.parse_args()
    heading("the start", "imports", "the browser", "the worker")
    rounds = [{way: cost(way, args) for way in WAYS} for _ in range(args.repeats)]
    table((f"{args.sessions} watching, {args.seconds:g} s", "CPU-seconds of the app", "range"))
    for way in WAYS:
        row(way, [seconds[way] for seconds in rounds], "s")


if __name__ == "__main__":
    sys.exit(main())
