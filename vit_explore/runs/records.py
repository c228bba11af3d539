"""What the store hands out: frozen rows, and the arrays inside them packed small."""

from __future__ import annotations

import io
import json
import os
import platform
import time
import uuid
import zlib
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import psutil
from sqlalchemy import Row

from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadConfig
from vit_explore.runs.naming import shown
from vit_explore.upgrades import CONFIG_VERSION, PLAIN_VERSION, VERSION_KEY, stored_config, stored_model

State = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
STATES: tuple[State, ...] = get_args(State)

CLUSTER = "ray"  # the device of a worker that is a place in a cluster
SILENT_SECONDS = 5.0  # a process that we cannot see is taken for dead after this long without a heartbeat
HUNG_SECONDS = 30.0  # one that we see alive may be busy (swapping, suspended); after this long it counts as dead too


@dataclass(frozen=True)
class Claimant:
    """A process that trains.

    device: what it takes runs for (auto, cpu, cuda:0, …); slot: the device that it keeps busy (auto made concrete).
    """

    worker: str
    device: str
    slot: str
    pid: int
    pid_started: float  # a process id alone may be given again to another process
    host: str

    @classmethod
    def this_process(cls, device: str, slot: str, worker: str | None = None) -> Claimant:
        """The calling process, under a fresh worker id unless one is given."""
        pid = os.getpid()
        return cls(worker or uuid.uuid4().hex[:8], device, slot, pid, process_start(pid), platform.node())


@dataclass(frozen=True)
class WorkerInfo:
    """A worker process. state: starting, warm, busy, or failed (it died before it was warm: see Backend.failure)."""

    id: str
    pid: int | None
    device: str
    state: str
    heartbeat: float
    run: str | None


@dataclass(frozen=True)
class SnapshotRow:
    """Weights that were kept: at which step, epoch and second of training; the file's size in bytes."""

    step: int
    epoch: float
    elapsed: float
    bytes: int


@dataclass(frozen=True)
class RunRecord:
    """A run as the store knows it. Times of day are seconds since 1970; what is not known yet is None."""

    id: str
    name: str
    state: State
    config: RunConfig | None  # None: it cannot be read, and `unreadable` says why
    created: float
    started: float | None  # when a worker took it
    ended: float | None
    error: str | None
    note: str | None  # what goes on where no steps are taken; of a finished run, how it ended
    place: int | None  # in the queue, from 1; None when not queued
    stop_requested: bool
    heartbeat: float | None
    has_checkpoint: bool
    disk_bytes: int
    step: int | None
    epoch: float | None
    loss: float | None
    elapsed: float | None  # seconds of training
    remaining: float | None
    top1: float | None  # the latest on the validation split
    test_top1: float | None
    macro_f1: float | None
    params: int | None
    flops: int | None
    images_seen: int | None
    images_per_second: float | None
    train_seconds: float | None
    device: str | None
    precision: str | None
    classes: tuple[str, ...] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    model: ModelConfig | None  # resolved: with the image size and the classes of the data
    train_size: int | None
    val_size: int | None
    test_size: int | None
    steps_per_epoch: int | None
    owner: str | None = None  # whose run it is
    group: str | None = None  # what it was started with: the other run of a race, say
    parent: str | None = None  # the id of the run that it is a duplicate, or a fork, of
    fork_step: int | None = None  # at which step of its parent it started; None: it is no fork
    paused: bool = False  # a person holds it
    skip_test: bool = False  # it is to end without a test
    test_images: int | None = None  # on how many images its test was; 0: it ended without one
    unreadable: str | None = None  # why its settings, or its model's, cannot be read: one sentence
    stored: str = ""  # its settings as they are stored: JSON, of this version or another

    def settings(self) -> RunConfig:
        """Its config. Raises BadConfig where it cannot be read."""
        if self.config is None:
            raise BadConfig(str(self.unreadable))
        return self.config

    @property
    def family(self) -> str:
        """The family of its model, as on the architecture's card; "" for an unknown one, or one that cannot be read."""
        model = self.config.model if self.config else self.model
        return model.card.family if model else ""

    @property
    def resume_refusal(self) -> str | None:
        """Why the run cannot be resumed, one sentence; None when it can. The only rule for it."""
        if self.config is None and self.state not in ("queued", "running"):
            return f"The run {self.id!r} cannot go on. {self.unreadable}"
        if self.state in _NOT_RESUMED:
            return f"The run {self.id!r} {_NOT_RESUMED[self.state]}."
        if self.state == "failed" and not self.has_checkpoint:
            return (
                f"The run {self.id!r} failed before its first checkpoint, so it cannot go on; "
                "duplicate it to start it again."
            )
        return None

    def on_device(self, device: str) -> RunRecord:
        """The run as its worker trains it: on the worker's own device."""
        return replace(self, config=self.settings().update(device=device))


def seconds_left(record: RunRecord) -> float | None:
    """Seconds of training that a run still takes; None where only the run itself will tell."""
    if record.state == "running" and record.remaining is not None:
        return record.remaining
    budget = record.settings().train.seconds if record.config is not None else None
    return None if budget is None else max(0.0, budget - (record.elapsed or 0.0))


_NOT_RESUMED: dict[str, str] = {
    "queued": "waits in the queue already; there is nothing to do",
    "running": "is running; there is nothing to do",
    "finished": "is finished; duplicate it to train it again",
}
_AS_STORED = (
    *("id", "state", "created", "ended", "error", "note", "heartbeat", "disk_bytes", "owner", "group", "parent"),
    *("step", "epoch", "loss", "elapsed", "remaining", "top1", "test_top1", "macro_f1", "params", "flops"),
    *("images_seen", "images_per_second", "train_seconds", "device", "fork_step", "test_images"),
)
_AS_SAID = ("precision", "train_size", "val_size", "test_size", "steps_per_epoch")  # by Started


def record_of(row: Row[Any], place: int | None) -> RunRecord:
    """A row of the table `runs` as a RunRecord; one that says running, but whose process is gone, as interrupted.

    What cannot be read in it (settings of another version, say) is told in the record, and hides no other run.
    """
    facts, model, no_model = _facts(row.facts)
    config, no_config = _config(row)
    values: dict[str, Any] = {name: getattr(row, name) for name in _AS_STORED}
    values |= {name: facts.get(name) for name in _AS_SAID}
    values |= {name: _maybe_tuple(facts.get(name)) for name in ("classes", "mean", "std")}
    if row.state == "running" and looks_dead(row):
        values |= {"state": "interrupted", "note": None, "ended": row.heartbeat, "error": death_sentence(row)}
    return RunRecord(
        **values,
        name=shown(row.name),
        config=config,
        started=row.claimed,
        stop_requested=bool(row.stop),
        paused=values["state"] in ("queued", "running") and bool(facts_of(row.controls or "{}").get("paused")),
        skip_test=bool(row.skip_test),
        has_checkpoint=bool(row.has_checkpoint),
        place=place,
        model=model,
        unreadable=no_config or no_model,
        stored=row.config,
    )


def _config(row: Row[Any]) -> tuple[RunConfig | None, str | None]:
    """The run's settings under its present name, or why they cannot be read."""
    try:
        config = stored_config(row.config)
    except BadConfig as error:
        return None, str(error)
    return config.model_copy(update={"name": shown(row.name)}), None


def _facts(text: str | None) -> tuple[dict[str, Any], ModelConfig | None, str | None]:
    """What Started said, its model, and why that cannot be read."""
    if text is None:
        return {}, None, None
    facts = facts_of(text)
    try:
        return facts, stored_model(facts.get("model"), facts.get(VERSION_KEY, 1)), None
    except BadConfig as error:
        return facts, None, str(error)


def facts_of(text: str) -> dict[str, Any]:
    """Stored JSON (facts, controls) as plain values; none where it is damaged."""
    try:
        facts = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return facts if isinstance(facts, dict) else {}


def death_sentence(row: Row[Any]) -> str:
    """What a run says whose process is gone."""
    goes_on = "resume it to go on from its last checkpoint" if row.has_checkpoint else "resume it to start it again"
    return f"The process that trained this run ended at step {row.step or 0}; {goes_on}."


def _maybe_tuple(values: Any) -> tuple[Any, ...] | None:
    return tuple(values) if isinstance(values, list) else None


def config_json(config: RunConfig, is_fork: bool = False) -> str:
    """Every setting, so that a later default changes no stored run; what follows the data is left to follow it."""
    values = {VERSION_KEY: CONFIG_VERSION if is_fork else PLAIN_VERSION, **config.model_dump(mode="json")}
    if config.model_follows:
        del values["model"]["image_size"]
    if "num_classes" not in config.model.model_fields_set:
        del values["model"]["num_classes"]
    return json.dumps(values)


def process_start(pid: int) -> float:
    """When the process began, or 0.0 when there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def is_alive(row: Row[Any]) -> bool:
    """Whether the process (pid, pid_started) of this machine runs.

    A finished child is a zombie that still answers kill(pid, 0), hence its status; a pid may be given again.
    """
    try:
        process = psutil.Process(row.pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - row.pid_started) < 2.0
    except psutil.NoSuchProcess:
        return False


def looks_dead(row: Row[Any]) -> bool:
    """Whether the process behind a row (pid, pid_started, host, heartbeat) is gone, by heartbeat and process table."""
    silent = time.time() - (row.heartbeat or 0.0)
    if row.host != platform.node() or row.pid is None:
        return silent > SILENT_SECONDS
    return not is_alive(row) or silent > HUNG_SECONDS


def pack(array: np.ndarray) -> bytes:
    """An array as compressed .npy bytes; reading.array reads them."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return zlib.compress(buffer.getvalue(), level=1)
