"""A sweep of 50 runs: by one worker without Ray, on one Ray node and on two. Does it fill them?

    python benchmarks/cluster.py [--runs 50] [--repeats 1]               needs Ray: pip install -r requirements-ray.txt

Runs of one thread each, a second or two long, so that what it costs to hand out, begin and end one shows. Busy: the
time, from the first step to the last run's end, in which a place trained, as a part of 1. The peer: the app's worker.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import common
from process_kills import config
from ray_nodes import Nodes

from vit_explore.runs.store import RunStore

EPOCHS = 20
LOOK_SECONDS = 0.05


@contextmanager
def one_worker(home: Path) -> Iterator[None]:
    """As `python -m vit_explore worker`."""
    command = [sys.executable, "-m", "vit_explore", "worker", "--device", "cpu"]
    environment = {**os.environ, "VIT_EXPLORE_HOME": str(home)}
    log = (home / "worker.log").open("ab")
    worker = subprocess.Popen(command, cwd=common.PROJECT, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(60)


@contextmanager
def on_nodes(home: Path, count: int) -> Iterator[None]:
    """As `python -m vit_explore cluster` on so many nodes of one core."""
    nodes = Nodes(home, count)
    try:
        yield
    finally:
        nodes.close()


def drained(home: Path, runs: int, places: int) -> tuple[float, float]:
    """Seconds from the first step until no run is left, and the part of them in which a place trained."""
    store, looks = RunStore(home), []
    waiting = [store.create(config(seed).update(epochs=EPOCHS)) for seed in range(runs)]
    while not any(store.get(run).step for run in waiting[:places]):
        time.sleep(LOOK_SECONDS)
    begun = time.perf_counter()
    while waiting:
        looks.append(sum(worker.state == "busy" for worker in store.workers()) / places)
        waiting = [run for run in waiting if store.get(run).state not in ("finished", "failed")]
        time.sleep(LOOK_SECONDS)
    took = time.perf_counter() - begun
    failed = [record.id for record in store.list() if record.state != "finished"]
    if failed:
        raise RuntimeError(f"{len(failed)} of {runs} runs failed: {store.get(failed[0]).error}")
    return took, sum(looks) / len(looks)


def main() -> None:
    parser = common.options(__doc__ or "", seconds=0, repeats=1)
    parser.add_argument("--runs", type=int, default=50)
    args = parser.parse_args()
    common.heading("the start of the worker, or of the cluster and its first seats")
    serving: dict[str, tuple[Callable[[Path], AbstractContextManager[None]], int]] = {
        "one worker, no Ray": (one_worker, 1),
        "Ray, one node": (lambda home: on_nodes(home, 1), 1),
        "Ray, two nodes": (lambda home: on_nodes(home, 2), 2),
    }
    times: dict[str, list[float]] = {name: [] for name in serving}
    busy: dict[str, list[float]] = {name: [] for name in serving}
    for _ in range(args.repeats):
        for name, (serve, places) in serving.items():
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, serve(Path(home)):
                took, part = drained(Path(home), args.runs, places)
            times[name].append(took)
            busy[name].append(part)
    common.table((f"{args.runs} runs", "seconds", "spread"))
    for name, values in times.items():
        common.row(name, values, "s", 1)
    common.table(("of the time, busy", "part", "spread"))
    for name, values in busy.items():
        common.row(name, values)


if __name__ == "__main__":
    main()
