"""kill -9 of whole processes at random moments: worker, app, a cluster's seat, node and head; what becomes of the runs.

    python benchmarks/process_kills.py --kills 100 [--seed 0]            needs Ray: pip install -r requirements-ray.txt

Half of the kills hit the app and its worker, half the seat, the node or the head of a Ray cluster of two nodes on this
machine. Whatever is killed is started again, as a person or a service would; runs that show as interrupted are resumed
(by the cluster's head itself, there). At the end every run must have finished, with the losses of an uninterrupted one,
step for step. Exit status 1 where one is lost or differs. See kills.py for kills within each act of writing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import common
import numpy as np
from ray_nodes import Nodes

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.runs.backends import get_backend
from vit_explore.runs.store import RunStore
from vit_explore.training import Step, fit

SEEDS = 4
AT_ONCE = 3  # runs that wait or train at any time
WAIT = 180.0


def config(seed: int) -> RunConfig:
    """A run of 720 steps, a few seconds."""
    return RunConfig(
        data=DataConfig(dataset="shapes", classes=("square", "star", "ring"), per_class=32, image_size=16),
        model=ModelConfig(width=16, depth=2, num_heads=2),
        train=TrainConfig(
            epochs=60, batch_size=8, device="cpu", precision="fp32", threads=1, evaluations=4, compiled="off", seed=seed
        ),
    )


def wait_for(what: Callable[[], object], seconds: float = WAIT) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise RuntimeError("waited too long")
        time.sleep(0.05)


class Kills:
    """Runs that are kept coming, and a count of what was killed while one trained."""

    def __init__(self, home: Path, seed: int) -> None:
        self.store, self.home, self.rng = RunStore(home), home, random.Random(seed)
        self.runs: list[str] = []
        self.counts: Counter[str] = Counter()
        self.interrupted: set[str] = set()

    def feed(self) -> None:
        """See to it that runs wait, and that what was interrupted goes on."""
        for run in self.runs:
            if self.store.get(run).state == "interrupted":
                self.interrupted.add(run)
                self.store.resume(run)
        waiting = sum(self.store.get(run).state in ("queued", "running") for run in self.runs)
        for _ in range(AT_ONCE - waiting):
            self.runs.append(self.store.create(config(self.rng.randrange(SEEDS))))

    def when_one_trains(self, ensure: Callable[[], object]) -> None:
        """Wait for a run that takes steps, and then a moment. ensure: see to it that somebody trains."""
        running = {run: self.store.get(run).step for run in self.runs if self.store.get(run).state == "running"}
        wait_for(lambda: self._moved(running, ensure))
        time.sleep(self.rng.uniform(0.0, 2.5))

    def _moved(self, before: dict[str, int | None], ensure: Callable[[], object]) -> bool:
        self.feed()
        ensure()
        records = [self.store.get(run) for run in self.runs]
        return any(one.state == "running" and (one.step or 0) > (before.get(one.id) or 0) for one in records)

    def finish(self, ensure: Callable[[], object]) -> None:
        """Until nothing waits or trains any more."""
        while any(self.store.get(run).state in ("queued", "running", "interrupted") for run in self.runs):
            ensure()
            for run in self.runs:
                if self.store.get(run).state == "interrupted":
                    self.interrupted.add(run)
                    self.store.resume(run)
            time.sleep(0.5)

    def report(self) -> int:
        """A table, and the number of runs that are lost or differ."""
        straight = {seed: _losses(config(seed)) for seed in range(SEEDS)}
        lost, differing = [], []
        for run in self.runs:
            record = self.store.get(run)
            steps = self.store.steps(run)
            wanted = straight[record.settings().train.seed]
            if record.state != "finished" or self.store.finished(run) is None:
                lost.append(f"{run}: {record.state} at step {record.step}, {record.error}")
            elif not np.array_equal(steps["loss"], wanted[steps["step"] - 1]):
                differing.append(run)
        common.table(("killed", "times"))
        for name, count in sorted(self.counts.items()):
            print(f"| {name} | {count} |")
        print(
            f"\n{sum(self.counts.values())} kills; {len(self.runs)} runs, {len(self.interrupted)} seen as interrupted "
            f"and resumed; lost: {len(lost)} {lost}; not as an uninterrupted one: {len(differing)} {differing}"
        )
        return len(lost) + len(differing)


def _losses(settings: RunConfig) -> np.ndarray:
    return np.array([event.loss for event in fit(settings) if isinstance(event, Step)])


def alone(kills: Kills, count: int) -> None:
    """Kill the worker or the app, and start it again."""
    from app_server import start, stop_tree

    app, _ = start(kills.home)

    def ensure() -> None:
        get_backend().ensure(kills.home)

    ensure()
    for _ in range(count):
        kills.when_one_trains(ensure)
        name = kills.rng.choice(("worker", "app"))
        if name == "worker":
            for worker in kills.store.workers():
                if worker.pid is not None:
                    os.kill(worker.pid, signal.SIGKILL)
        else:
            app.kill()
            app.wait()
            app, _ = start(kills.home)
        kills.counts[name] += 1
    kills.finish(ensure)
    stop_tree(app, kills.home)
    for worker in kills.store.workers():
        if worker.pid is not None:
            os.kill(worker.pid, signal.SIGTERM)
    wait_for(lambda: not kills.store.workers())


def together(kills: Kills, count: int) -> None:
    """Kill a part of a cluster, and put another in its place."""
    cluster = Nodes(kills.home)
    for _ in range(count):
        kills.when_one_trains(cluster.ensure)
        name = kills.rng.choice(("seat", "node", "head"))
        cluster.kill(name, kills.rng)
        kills.counts[name] += 1
    kills.finish(cluster.ensure)
    cluster.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    common.heading("nothing")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["VIT_EXPLORE_HOME"] = home
        kills = Kills(Path(home), args.seed)
        alone(kills, args.kills // 2)
        together(kills, args.kills - args.kills // 2)
        bad = kills.report()
    print(f"{time.monotonic() - begun:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
