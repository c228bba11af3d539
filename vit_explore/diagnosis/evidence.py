"""The evidence that the store has of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vit_explore.config import RunConfig
from vit_explore.diagnosis.findings import Evidence, Inside, Look
from vit_explore.runs.records import RunRecord
from vit_explore.training import failures
from vit_explore.training.events import Changed, Evaluated

if TYPE_CHECKING:
    from vit_explore.runs.store import RunStore


def evidence_of(store: RunStore, run: str, inside: Inside | None = None) -> Evidence:
    """All that is known of a run. Raises RunNotFound, BadConfig, DamagedFile."""
    touched = [mark.elapsed for mark in store.marks(run) if isinstance(mark, Changed)]
    return from_curves(store.get(run), store.steps(run), store.evaluations(run), inside, touched)


def from_curves(
    record: RunRecord,
    columns: dict[str, np.ndarray],
    evaluations: Sequence[Evaluated],
    inside: Inside | None = None,
    touched: Sequence[float] = (),
) -> Evidence:
    """The evidence in curves that were read already; columns: those of Step. Raises BadConfig.

    touched: the seconds at which a person changed a setting.
    """
    config = record.settings()
    none = np.zeros(0)
    elapsed = columns.get("elapsed", none)
    progress = _progress(config, elapsed, columns.get("epoch", none))
    hands = [float(np.interp(second, elapsed, progress)) for second in touched] if len(elapsed) else []
    return Evidence(
        config=config,
        classes=len(record.classes or ()) or config.model.num_classes,
        progress=progress,
        loss=columns.get("loss", none),
        steps=record.step or 0,
        touched=max(hands, default=0.0),
        looks=_looks(config, evaluations),
        inside=inside,
        failure=record.error or "" if failures.is_not_finite(record.error) else "",
    )


def _progress(config: RunConfig, elapsed: np.ndarray, epoch: np.ndarray) -> np.ndarray:
    """The share of the budget, (n,), in [0, 1]."""
    spent = elapsed / config.train.seconds if config.train.seconds is not None else epoch / (config.train.epochs or 1)
    return np.clip(spent, 0, 1)


def _looks(config: RunConfig, evaluations: Sequence[Evaluated]) -> tuple[Look, ...]:
    """The steps at which both accuracies were measured."""
    by_step: dict[int, dict[str, Evaluated]] = {}
    for one in evaluations:
        by_step.setdefault(one.step, {})[one.split] = one
    both = [(looks["train"], looks["val"]) for looks in by_step.values() if {"train", "val"} <= looks.keys()]
    return tuple(
        Look(
            float(_progress(config, np.array(val.elapsed), np.array(val.epoch))), train.top1, val.top1,
            int(train.confusion.sum()), int(val.confusion.sum()),
        )
        for train, val in both
    )  # fmt: skip
