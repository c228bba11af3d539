"""The worker: a process that has torch imported, waits for queued runs and trains them, one after another."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from vit_explore.errors import DiskFull, StoreBusy, VitExploreError
from vit_explore.runs.asked import Watch
from vit_explore.runs.fresh import replace_process, worker_command
from vit_explore.runs.patience import patiently
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import TrainerFactory, train_run
from vit_explore.runs.records import Claimant, RunRecord, process_start
from vit_explore.runs.signals import leave_on
from vit_explore.runs.store import RunStore
from vit_explore.runs.tidy import tidy
from vit_explore.text import printable

POLL_SECONDS = 0.1
RETRY_SECONDS = 5.0  # after a store that could not be written


def run_worker(
    device: str = "auto",
    once: bool = False,
    idle_exit: float | None = None,
    parent: int | None = None,
    worker: str | None = None,
    home: Path | None = None,
    make_trainer: TrainerFactory | None = None,
    own_process: bool = False,
) -> int:
    """Serve the queue until SIGTERM; gives the exit status.

    once: leave after one run, or when none waits. idle_exit: leave after so many seconds without work, unless the
    process `parent` (the app that started this worker) is still there. own_process: nothing else lives in this process,
    so it may be replaced by a fresh worker when a run does not end as it is asked to. Raises DeviceUnavailable.
    """
    store = RunStore(home)
    claimant = Claimant.this_process(device, slot="", worker=worker)
    patiently(lambda: store.register(claimant, "starting"))
    claimant = Claimant.this_process(device, slot=concrete_device(device), worker=claimant.worker)
    _tidy(store)
    _warm_up()
    idle, decoded = _Idle(idle_exit, parent), False
    again = None if once else worker_command(claimant.worker, device, idle_exit, parent)
    end_process = (lambda watch: _end_by_force(store, claimant, watch, again)) if own_process else None
    with (
        leave_on(signal.SIGTERM, signal.SIGINT) as leaving,
        Pulse(store, claimant, registered=True, end_process=end_process) as pulse,
    ):
        while not leaving.is_set() and not idle.is_over() and store.is_there():
            record = patiently(lambda: store.claim(claimant), leaving) if once else _claimed(store, claimant, leaving)
            if record is not None:
                _serve(store, record, pulse, leaving, make_trainer)
                idle.reset()
            if once:
                break
            if record is None and parent is not None and not decoded:
                decoded = _decode_default_data()
            if record is None:
                leaving.wait(POLL_SECONDS)
    return 0


def _claimed(store: RunStore, claimant: Claimant, leaving: threading.Event) -> RunRecord | None:
    """The next run, if any; a store that is busy or full for a while must not end the worker."""
    try:
        return store.claim(claimant)
    except (DiskFull, StoreBusy) as error:
        _log(f"no run can be taken: {error}")
        leaving.wait(RETRY_SECONDS)
        return None


def _serve(
    store: RunStore, record: RunRecord, pulse: Pulse, leaving: threading.Event, make_trainer: TrainerFactory | None
) -> None:
    """Train one run. A store that cannot be written at its end (a full disk) must not end the worker."""
    if pulse.claimant.device != "auto":
        record = record.on_device(pulse.claimant.slot)
    try:
        outcome = train_run(store, record, pulse, leaving, make_trainer=make_trainer)
    except VitExploreError as error:
        _log(f"{record.id}: {error}")
    else:
        _log(f"{record.id}: {outcome.state}{f': {outcome.error}' if outcome.error else ''}")


def _end_by_force(store: RunStore, claimant: Claimant, watch: Watch, again: list[str] | None) -> NoReturn:
    """The run is let go of already: go on as a fresh worker by the command `again`, or end. From the heartbeat."""
    _log(f"{watch.run}: {watch.end} by force")
    if again is None or watch.leave.is_asked:
        with suppress(VitExploreError):  # on a full disk its row stays, and is buried when the process is gone
            store.unregister(claimant.worker)
        os._exit(0)
    with suppress(VitExploreError):
        store.register(claimant, "starting")  # so that nobody starts a second one meanwhile
    replace_process(again, store.home)


def _log(line: str) -> None:
    """A line on stderr: worker.log, or a terminal, which must not obey what is in it."""
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def _tidy(store: RunStore) -> None:
    """What earlier processes left behind; a disk that refuses must not keep the worker from its work."""
    try:
        tidy(store)
    except VitExploreError as error:
        sys.stderr.write(f"tidying: {error}\n")


def concrete_device(wish: str) -> str:
    """The device that `wish` stands for here, such as cpu or cuda:0. Raises DeviceUnavailable."""
    from vit_explore.training.devices import pick_device

    device = pick_device(wish)
    return f"cuda:{device.index or 0}" if device.type == "cuda" else str(device)


def _warm_up() -> None:
    """Import all that training needs, so that a click on Start finds it imported."""
    from vit_explore.config import ModelConfig
    from vit_explore.data import datasets
    from vit_explore.models import summarise
    from vit_explore.training import Trainer  # noqa: F401

    datasets.names()
    summarise(ModelConfig())


def _decode_default_data() -> bool:
    """Decode the default preset's images while nothing waits, if they are on this machine: the first run needs them."""
    from vit_explore.data import dataset_status, prepare
    from vit_explore.presets import DEFAULT, presets

    name = presets.get(DEFAULT).config.data.dataset
    try:
        if dataset_status(name).available:
            prepare(name)
    except VitExploreError as error:  # the run that needs them will say so to the person
        _log(f"{name}: {error}")
    return True


class _Idle:
    """How long there has been nothing to do."""

    def __init__(self, seconds: float | None, parent: int | None) -> None:
        self.seconds, self.parent = seconds, parent
        self.parent_started = process_start(parent) if parent else 0.0
        self.reset()

    def reset(self) -> None:
        self.since = time.monotonic()

    def is_over(self) -> bool:
        if self.seconds is None or time.monotonic() - self.since < self.seconds:
            return False
        return not self.parent_started or process_start(self.parent or 0) != self.parent_started
