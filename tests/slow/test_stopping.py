"""A model whose step takes seconds, trained for real: Stop is stop, in a worker and by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vit_explore.config import RunConfig
from vit_explore.runs.backends import get_backend
from vit_explore.runs.store import RunStore

ROOT = Path(__file__).parents[2]
LIMIT = 6.0 + 6.0  # seconds: what is promised, and as much again for a machine that does other things
HEAVY = {"dataset": "shapes", "classes": None, "width": 384, "depth": 8, "patch_size": 2, "batch_size": 64}


def wait(what: Callable[[], object], seconds: float = 180.0) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() < begun + seconds, "waited too long"
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.fixture
def heavy() -> RunConfig:
    """Ten seconds or more a step on two cores, and 3 GB."""
    return RunConfig().update(**HEAVY, device="cpu", precision="fp32", per_class=40, seconds=300)


def test_stop_ends_a_long_step_and_the_next_run_trains(heavy: RunConfig) -> None:
    store = RunStore()
    run = store.create(heavy)
    waiting = store.create(RunConfig().update(dataset="shapes", classes=None, per_class=20, device="cpu", seconds=1))
    worker = get_backend().ensure(store.home)
    try:
        wait(lambda: store.get(run).params)  # it has started
        time.sleep(8.0)
        store.request_stop(run)
        assert wait(lambda: store.get(run).state == "stopped") < LIMIT
        store.delete(run)
        wait(lambda: store.get(waiting).state == "finished")
        assert [info.pid for info in store.workers()] == [worker.pid]
    finally:
        os.kill(worker.pid or 0, signal.SIGKILL)


def test_ctrl_c_ends_a_long_step() -> None:
    store = RunStore()
    flags = [f"--{name.replace('_', '-')}={'none' if value is None else value}" for name, value in HEAVY.items()]
    command = [sys.executable, "-m", "vit_explore", "train", "--quiet", "--precision", "fp32", "--seconds", "300"]
    process = subprocess.Popen([*command, "--device", "cpu", "--per-class", "40", *flags], cwd=ROOT)
    try:
        wait(lambda: [record for record in store.list() if record.params])
        time.sleep(8.0)
        process.send_signal(signal.SIGINT)
        assert wait(lambda: process.poll() is not None) < LIMIT
    finally:
        process.kill()
    assert process.returncode == 130
    assert [record.state for record in store.list()] == ["stopped"]
