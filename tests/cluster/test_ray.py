"""Two nodes of a Ray cluster on this machine: runs train there, and whatever is killed, none is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.runs.records import CLUSTER
from vit_explore.runs.store import RunStore
from vit_explore.training import Step, fit

pytest.importorskip("ray", reason="Ray is not here: pip install -r requirements-ray.txt")
PROJECT = Path(__file__).parents[2]
STORE = 120 * 2**20  # bytes of a node's object store
pytestmark = pytest.mark.timeout(600)


def config(epochs: float = 4, **changes: Any) -> RunConfig:
    """A run of 12 steps an epoch, the same numbers wherever it trains."""
    return RunConfig(
        data=DataConfig(dataset="shapes", classes=("square", "star", "ring"), per_class=32, image_size=16),
        model=ModelConfig(width=16, depth=2, num_heads=2),
        train=TrainConfig(
            epochs=epochs, batch_size=8, device="cpu", precision="fp32", threads=1, evaluations=4, compiled="off"
        ),
    ).update(**changes)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster whose head node trains nothing, with two nodes of one core."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = str(PROJECT)
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE})
    yield made
    made.shutdown()


@pytest.fixture
def nodes(cluster: Any) -> Iterator[list[Any]]:
    """Two nodes of their own for each test, since it may kill them."""
    there = [cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(2)]
    yield there
    for node in there:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


class Command:
    """`python -m vit_explore cluster`, as a person starts it."""

    def __init__(self, address: str, home: Path, *flags: str) -> None:
        self.log = home / f"cluster-{time.monotonic()}.log"
        command = [sys.executable, "-m", "vit_explore", "cluster", "--address", address, *flags]
        environment = {**os.environ, "VIT_EXPLORE_HOME": str(home)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        wait_for(lambda: "room for" in self.log.read_text() or self.process.poll() is not None)

    def stop(self) -> None:
        """As Ctrl-C does; SIGTERM is the same, and reaches a process of the background."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def serve(cluster: Any, nodes: list[Any], home: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def begin(*flags: str) -> Command:
        started.append(Command(cluster.address, home, *flags))
        return started[-1]

    yield begin
    for command in started:
        command.stop()


@pytest.fixture
def store(home: Path) -> RunStore:
    home.mkdir(exist_ok=True)
    return RunStore()


def wait_for(what: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def states(store: RunStore, runs: list[str]) -> set[str]:
    return {store.get(run).state for run in runs}


def losses_here(settings: RunConfig) -> tuple[float, ...]:
    """Those of an uninterrupted run without a cluster; the same for whoever asks again."""
    return _losses(settings.model_copy(update={"name": ""}).model_dump_json())


@cache
def _losses(settings: str) -> tuple[float, ...]:
    return tuple(event.loss for event in fit(RunConfig.model_validate_json(settings)) if isinstance(event, Step))


def seat_processes() -> list[psutil.Process]:
    """The processes of the seats, on whatever node."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "ray::Seat" in " ".join(process.info["cmdline"] or [])
    ]


def long_run(store: RunStore) -> str:
    """A run that has kept a checkpoint, and goes on for a while."""
    run = store.create(config(epochs=120))
    wait_for(lambda: store.get(run).has_checkpoint)
    return run


def check_whole(store: RunStore, run: str) -> None:
    """The run is as one that was never interrupted."""
    record = store.get(run)
    assert record.state == "finished", record.error
    np.testing.assert_array_equal(
        store.steps(run)["loss"], np.array(losses_here(record.settings()))[store.steps(run)["step"] - 1]
    )
    assert store.finished(run) is not None


def test_a_sweep_fills_the_nodes_and_its_numbers_are_those_of_here(store: RunStore, serve: Any) -> None:
    runs = [store.create(config(seed=seed)) for seed in range(6)]
    serve()
    wait_for(lambda: sum(worker.state == "busy" for worker in store.workers()) == 2)
    wait_for(lambda: states(store, runs) == {"finished"})
    for run in runs[:2]:
        check_whole(store, run)
    assert len({tuple(store.steps(run)["loss"]) for run in runs}) == len(runs)


def test_a_killed_seat_loses_nothing(store: RunStore, serve: Any) -> None:
    serve()
    run = long_run(store)
    (process,) = [one for one in seat_processes() if one.cpu_percent(0.3) > 20] or seat_processes()[:1]
    process.send_signal(signal.SIGKILL)
    wait_for(lambda: store.get(run).state == "finished")
    check_whole(store, run)


def test_a_killed_node_loses_nothing(cluster: Any, nodes: list[Any], store: RunStore, serve: Any) -> None:
    serve("--runs", "2")
    runs = [store.create(config(epochs=120, seed=seed)) for seed in range(2)]
    wait_for(lambda: all(store.get(run).has_checkpoint for run in runs))
    cluster.remove_node(nodes[0], allow_graceful=False)
    wait_for(lambda: states(store, runs) == {"finished"})
    for run in runs:
        check_whole(store, run)
    wait_for(lambda: len(store.seats()) == 1)  # the head hears of a dead node after a while


def test_a_killed_head_loses_nothing_and_the_next_one_goes_on(store: RunStore, serve: Any) -> None:
    first = serve()
    run = long_run(store)
    first.process.kill()
    first.process.wait()
    assert store.get(run).state == "interrupted"
    serve()
    wait_for(lambda: store.get(run).state == "finished")
    check_whole(store, run)


def test_a_stop_leaves_what_can_go_on(store: RunStore, serve: Any) -> None:
    serve()
    run = long_run(store)
    store.request_stop(run)
    wait_for(lambda: store.get(run).state == "stopped")
    step = store.get(run).step
    store.resume(run)
    wait_for(lambda: store.get(run).state == "finished")
    check_whole(store, run)
    assert step is not None


def test_a_head_that_is_told_to_end_leaves_its_runs_in_the_queue(store: RunStore, serve: Any) -> None:
    head = serve()
    run = long_run(store)
    head.stop()
    assert head.process.returncode == 0
    record = store.get(run)
    assert (record.state, record.has_checkpoint) == ("queued", True)
    assert store.workers() == []


def test_memory_is_bounded_and_the_run_says_so(store: RunStore, serve: Any) -> None:
    run = store.create(config(width=512, depth=24, mlp_ratio=8, batch_size=64))
    serve("--memory", "1.2")
    wait_for(lambda: store.get(run).state == "failed")
    assert re.search("memory", store.get(run).error or "")


def test_no_cluster_is_one_sentence(home: Path) -> None:
    command = [sys.executable, "-m", "vit_explore", "cluster", "--address", "127.0.0.1:9"]
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No Ray cluster answers at '127.0.0.1:9'" in done.stderr


def test_the_app_finds_the_cluster(store: RunStore, serve: Any) -> None:
    from vit_explore.runs.backends import get_backend

    serve()
    wait_for(lambda: len(store.seats()) == 2)
    assert get_backend().ensure().device == CLUSTER
    assert len(get_backend().devices()) == 2


def test_a_cluster_that_goes_away_ends_the_command_and_loses_nothing(store: RunStore, home: Path) -> None:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": STORE})
    command = Command(made.address, home)
    run = long_run(store)
    made.shutdown()
    assert command.process.wait(180) != 0  # Ray ends the process by itself
    wait_for(lambda: store.get(run).state in ("queued", "interrupted"))
    assert store.get(run).has_checkpoint
