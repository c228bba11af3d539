"""Train a run again from its record, without storing anything, and hold its losses against the recorded ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vit_explore.errors import BadConfig, BadRunState
from vit_explore.runs.initial import initial_of
from vit_explore.runs.recorder import TrainerFactory, start_state, the_trainer
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Changed, Started, Step
from vit_explore.training.replay import Pin, Replay

SHOWN = 1e-6  # losses are told to six places


@dataclass(frozen=True)
class Reproduction:
    """What came of it. steps: up to which step; compared: how many recorded losses; difference: the largest."""

    run: str
    steps: int
    compared: int
    difference: float

    @property
    def is_equal(self) -> bool:
        """Within what is printed."""
        return self.difference < SHOWN / 2


def reproduce(
    store: RunStore,
    run: str,
    steps: int | None = None,
    on_step: Callable[[Step, int], None] | None = None,
    make_trainer: TrainerFactory | None = None,
) -> Reproduction:
    """Take the recorded steps again, at most up to step `steps`; on_step: told each, and the last step.

    Raises BadRunState for a run whose record does not say enough, BadConfig for a step before its start.
    """
    record, told = store.get(run), store.steps(run)
    replay = replay_of(store, record, told, steps)
    config = record.settings().update(device=(record.device or "cpu").split()[0])
    state = start_state(store, dataclasses.replace(record, has_checkpoint=False))  # from where its record begins
    initial = initial_of(store, record, goes_on=state is not None)
    options = {} if initial is None else {"initial": initial}
    trainer = (make_trainer or the_trainer)(config, state=state, replay=replay, **options)
    recorded = dict(zip(told["step"].tolist(), told["loss"].tolist(), strict=True))
    differences = []
    for event in trainer.events():
        if isinstance(event, Step):
            if event.step in recorded:
                differences.append(abs(event.loss - recorded[event.step]))
            if on_step is not None:
                on_step(event, replay.last)
            if event.step >= replay.last:
                break
    if not differences:
        raise BadRunState(
            f"Nothing could be compared: none of the steps that were taken again is in the record of the run {run!r}; "
            "choose a later last step."
        )
    return Reproduction(run, replay.last, len(differences), max(differences))


def replay_of(store: RunStore, record: RunRecord, told: dict[str, np.ndarray], steps: int | None) -> Replay:
    """The Replay of a run, up to the last step whose row was kept. told: its columns of Step."""
    started = store.started(record.id)
    if started is None or not len(told["step"]):
        raise BadRunState(f"The run {record.id!r} has no recorded steps to take again; choose one that was trained.")
    last = int(told["step"][-1])
    if steps is not None:
        if steps < told["step"][0]:
            raise BadConfig(f"The record of the run {record.id!r} begins at step {told['step'][0]}; give a later step.")
        last = min(last, steps)
    changes = tuple(mark for mark in store.marks(record.id) if isinstance(mark, Changed))
    train = record.settings().train
    timed: dict[str, Any] = {} if train.seconds is None else {"steps": told["step"], "progress": told["progress"]}
    if timed and np.isnan(told["progress"]).any():
        raise BadRunState(_of_an_earlier_release(record.id))
    return Replay(last, changes, _pin(record.id, started), grouping=started.grouping, **timed)


def _pin(run: str, started: Started) -> Pin:
    if started.fused is None or started.replicas is None:
        raise BadRunState(_of_an_earlier_release(run))
    if started.mixed:
        raise BadRunState(
            f"The run {run!r} went on in another precision, or on other threads, than it began with, and its record "
            "has the last of them only; train it again in one go to have a run that can be reproduced."
        )
    return Pin(started.precision, started.fused, started.replicas, started.threads)


def _of_an_earlier_release(run: str) -> str:
    return (
        f"The run {run!r} was trained, at least in part, by an earlier release, which did not record how and when each "
        "step was taken; duplicate it, and the new run can be reproduced."
    )
