"""A fork: a new run that starts from the weights of another one's snapshot, with other settings."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from vit_explore.config import RunConfig, settings
from vit_explore.errors import BadConfig, BadReference, BadRunState
from vit_explore.runs import reading, schema
from vit_explore.runs.base import update
from vit_explore.runs.files import RunFolder, disk_errors
from vit_explore.runs.playing import Playing
from vit_explore.runs.records import RunRecord, SnapshotRow
from vit_explore.training.controls import Controls
from vit_explore.training.events import Changed
from vit_explore.training.weights import difference

_STANDS_FOR = {"lr": "lr_factor", "weight_decay": "weight_decay", "augment": "augment"}  # setting -> control


class Fork:
    """What a fork of `parent` at a snapshot needs, checked; `fill` puts it into the new run."""

    def __init__(self, store: Playing, parent: RunRecord, at: SnapshotRow, changes: dict[str, Any]) -> None:
        self.store, self.parent, self.at = store, parent, at
        self.config = parent.settings().update(**{"name": f"{parent.name} · fork at {at.step}"[:120], **changes})
        _check_data(parent.settings(), self.config)
        _check_start(parent.settings(), self.config)
        _check_model(parent, self.config, store.folder(parent.id).snapshot(at.step))
        _check_budget(self.config, at)
        self.controls = _held(store, parent, at.step, changes)

    def fill(self, connection: Connection, run: str) -> None:
        """Copy the snapshot and the sample images, and enter where the run starts; inside the caller's transaction,
        so that no worker takes a run without its weights, and nobody removes the snapshot meanwhile."""
        source, folder, step = self.store.folder(self.parent.id), self.store.folder(run), self.at.step
        folder.create()
        try:
            _copy(source, folder, step)
        except BaseException as error:
            folder.delete()  # else it would look like a run that the database has lost
            if not isinstance(error, FileNotFoundError):
                raise
            raise BadReference(
                f"The snapshot of the run {self.parent.id!r} at step {step}, or its sample images, are gone; "
                "choose another."
            ) from error
        facts = connection.execute(sa.select(schema.runs.c.facts).where(schema.runs.c.id == self.parent.id)).scalar()
        where = {"step": step, "epoch": self.at.epoch, "elapsed": self.at.elapsed}
        update(connection, run, fork_step=step, facts=facts, controls=json.dumps(asdict(self.controls)), **where)
        connection.execute(sa.insert(schema.snapshots).values(run=run, bytes=self.at.bytes, **where))


def _copy(source: RunFolder, target: RunFolder, step: int) -> None:
    with disk_errors(target.path):
        shutil.copyfile(source.snapshot(step), target.snapshot(step))
        shutil.copyfile(source.path / "samples.npz", target.path / "samples.npz")


def _check_data(parent: RunConfig, config: RunConfig) -> None:
    """Other images could hold back for validation what the weights were trained on."""
    for setting in settings().values():
        if setting.section == "data" and setting.value(parent) != setting.value(config):
            raise BadConfig(
                f"A fork goes on with its parent's images, and {setting.words} is another here; "
                "leave it as it was, or start a new run.",
                setting.name,
            )


def _check_start(parent: RunConfig, config: RunConfig) -> None:
    if config.model.init_from != parent.model.init_from:
        raise BadConfig(
            "A fork starts from the weights of its parent's snapshot and not from others; "
            "leave init_from as it was, or start a new run.",
            "init_from",
        )


def _check_model(parent: RunRecord, config: RunConfig, path: Path) -> None:
    """The weights of the snapshot must fit the model with its changes."""
    changed = [s for s in settings().values() if s.section == "model" and s.value(config) != s.value(parent.settings())]
    if not changed or parent.model is None:
        return
    import torch

    from vit_explore.models import create_model

    is_resized = config.model.image_size != parent.settings().model.image_size
    size = config.model.image_size if is_resized else parent.model.image_size  # the data's, which the run found
    data = {"num_classes": parent.model.num_classes, "image_size": size}
    with reading.guarded(f"The snapshot {path}", "choose another step"), torch.device("meta"):
        own = create_model(config.model.replace(**data, pretrained=False)).state_dict()
        why = difference(reading.weights(path), own)
    if why is not None:
        words = ", ".join(setting.words for setting in changed)
        raise BadConfig(
            f"A fork starts with its parent's weights, which do not fit with another {words}: {why}; "
            "leave that as it was, or start a new run.",
            *(setting.name for setting in changed),
        )


def _check_budget(config: RunConfig, at: SnapshotRow) -> None:
    train = config.train
    if train.seconds is not None and at.elapsed >= train.seconds:
        raise BadRunState(
            f"At step {at.step}, {at.elapsed:.1f} of the {train.seconds:g} seconds are spent, so a fork has nothing "
            "left to train; give it more seconds, or fork at an earlier step."
        )
    if train.epochs is not None and at.epoch >= train.epochs:
        raise BadRunState(
            f"At step {at.step}, {at.epoch:.1f} of the {train.epochs:g} epochs are done, so a fork has nothing "
            "left to train; give it more epochs, or fork at an earlier step."
        )


def _held(store: Playing, parent: RunRecord, step: int, changes: dict[str, Any]) -> Controls:
    """What a person had set by that step; what `changes` sets anew is as they say."""
    held = Controls()
    train = parent.settings().train
    for mark in store.marks(parent.id):
        if isinstance(mark, Changed) and mark.step <= step:
            decay = None if mark.weight_decay == train.weight_decay else mark.weight_decay
            augment = None if mark.augment == train.augment else mark.augment
            held = Controls(False, mark.lr_factor, decay, augment)
    anew = {control: getattr(Controls(), control) for setting, control in _STANDS_FOR.items() if setting in changes}
    return replace(held, **anew)
