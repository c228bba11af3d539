"""A run of the store as a record of its preset."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np

from vit_explore.config import RunConfig
from vit_explore.errors import BadReference
from vit_explore.presets import presets
from vit_explore.reports.base import row_of
from vit_explore.reports.matching import preset_of
from vit_explore.reports.measured import Point, Record
from vit_explore.runs.initial import resolved
from vit_explore.runs.records import RunRecord, config_json
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Changed

LOSS_POINTS = 60  # of the loss: means of as many parts of the run


def own_preset(record: RunRecord, store: RunStore) -> str | None:
    """The preset of which this run is a whole, unchanged run; None for any other. Raises RunNotFound."""
    if record.config is None or record.fork_step is not None or record.state != "finished":
        return None
    name = preset_of(record.config)
    if name is None or any(isinstance(mark, Changed) for mark in store.marks(record.id)):
        return None  # what was set while it trained is no setting of the preset
    if not _has_its_classes(record, name):
        return None
    return name if _starts_alike(record.config, presets.get(name).config, store) else None


def _has_its_classes(record: RunRecord, preset: str) -> bool:
    """Whether pictures of the person's own, wherever they lie, are of as many classes as the row's."""
    row = row_of(preset)
    if record.settings().data.path is None or row is None:
        return True
    return len(record.classes or ()) == row[0].classes


def _starts_alike(config: RunConfig, wanted: RunConfig, store: RunStore) -> bool:
    """Whether it started from the weights that the preset names: the same step of the same model."""
    if wanted.model.init_from is None:
        return True
    try:
        return config.model.init_from == resolved(wanted, store).model.init_from
    except BadReference:
        return False


def record_of(
    record: RunRecord, store: RunStore, preset: str, command: str = "", cpu: str = "", torch: str = ""
) -> Record:
    """The run in numbers: also one that was stopped, whose part of the budget it says. Raises RunNotFound."""
    train = record.settings().train
    validation = [
        (_share(record, look.epoch, look.elapsed), round(look.epoch, 4), round(look.top1, 4))
        for look in store.evaluations(record.id)
        if look.split == "val"
    ]
    total = round(train.epochs * record.steps_per_epoch) if train.epochs and record.steps_per_epoch else None
    steps = record.step or 0
    done = 1.0 if record.state == "finished" else _share(record, record.epoch or 0.0, record.elapsed or 0.0)
    return Record(
        preset=preset,
        seed=train.seed,
        date=datetime.fromtimestamp(record.ended or record.created, UTC).date().isoformat(),
        command=command,
        device=record.device or train.device,
        cpu=cpu,
        torch=torch,
        params=record.params or 0,
        epochs=round(record.epoch or 0.0, 3),
        seconds=round(record.train_seconds or record.elapsed or 0.0, 1),
        images_per_second=_rounded(record.images_per_second, 1),
        top1=record.test_top1,
        macro_f1=_rounded(record.macro_f1, 4),
        done=done,
        steps=steps,
        total_steps=total,
        validation=tuple(validation),
        loss=_losses(record, store),
        settings=json.loads(config_json(record.settings())),
        test_images=record.test_images,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _share(record: RunRecord, epoch: float, elapsed: float) -> float:
    train = record.settings().train
    return round(min(1.0, elapsed / train.seconds if train.seconds else epoch / (train.epochs or 1.0)), 4)


def _losses(record: RunRecord, store: RunStore) -> tuple[Point, ...]:
    """The training loss as the means of equal parts of the steps, each at the end of its part."""
    steps = store.steps(record.id)
    parts = np.array_split(np.arange(len(steps["step"])), min(LOSS_POINTS, len(steps["step"])) or 1)
    points = []
    for part in (part for part in parts if len(part)):
        epoch, elapsed = float(steps["epoch"][part[-1]]), float(steps["elapsed"][part[-1]])
        points.append((_share(record, epoch, elapsed), round(epoch, 4), round(float(steps["loss"][part].mean()), 4)))
    return tuple(points)
