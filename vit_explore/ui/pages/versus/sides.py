"""The two sides of a race: a run each, and the runs that repeat it with other seeds."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vit_explore.config import RunConfig
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit.wording import ACTIVE

SEEDS = 3  # of each side, for a race that is to say more than one run can

Points = tuple[np.ndarray, np.ndarray]  # x (n,) and top-1 (n,) of one run's curve


@dataclass(frozen=True)
class Side:
    """One side by its title in the figures: the run that was chosen comes first, then its other seeds."""

    title: str
    records: tuple[RunRecord, ...]

    @property
    def shown(self) -> RunRecord:
        return self.records[0]

    @property
    def active(self) -> tuple[RunRecord, ...]:
        return tuple(record for record in self.records if record.state in ACTIVE)

    @property
    def tested(self) -> tuple[RunRecord, ...]:
        """The runs that have spent their budget and taken the test."""
        return tuple(r for r in self.records if r.state == "finished" and r.test_top1 is not None)


def other_seeds(record: RunRecord, records: Iterable[RunRecord]) -> list[RunRecord]:
    """Of `records`, the newest first, those that repeat `record` with other seeds: the newest of each seed, by seed."""
    alike: dict[int, RunRecord] = {}
    for other in records:
        if other.state in (*ACTIVE, "finished") and other.config and _repeats(other.config, record.settings()):
            alike.setdefault(other.config.train.seed, other)
    return [alike[seed] for seed in sorted(alike)]


def _repeats(one: RunConfig, other: RunConfig) -> bool:
    """Whether the two differ in the training seed alone, and do differ in it."""
    if one.train.seed == other.train.seed or one.data != other.data or one.model != other.model:
        return False
    return one.train.model_copy(update={"seed": other.train.seed}) == other.train


def start_seeds(store: RunStore, sides: Sequence[Side], seeds: int = SEEDS) -> list[str]:
    """Queue what each side lacks of `seeds` runs, in turn; gives their ids."""
    group = sides[0].shown.group or f"race-{secrets.token_hex(4)}"
    queued: list[str] = []
    for place in range(1, seeds):
        for side in sides:
            if len(side.records) <= place:
                config = side.shown.settings()
                repeat = config.update(name="", seed=config.train.seed + place)
                queued.append(store.create(repeat, group=group, parent=side.shown.id))
    return queued


def missing(sides: Sequence[Side], seeds: int = SEEDS) -> int:
    """How many runs the sides lack until each has `seeds`."""
    return sum(max(0, seeds - len(side.records)) for side in sides)


def band(curves: Sequence[Points]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, and the mean, the lowest and the highest top-1 there (n,), of curves whose looks lie at different x.

    x are the looks of the first curve, as far as all curves reach; between its looks a curve is a straight line.
    """
    first = max(x[0] for x, _ in curves)
    last = min(x[-1] for x, _ in curves)
    x = curves[0][0]
    x = np.unique(np.concatenate([[first], x[(x > first) & (x < last)], [last]]))
    top1 = np.stack([np.interp(x, *curve) for curve in curves])
    return x, top1.mean(axis=0), top1.min(axis=0), top1.max(axis=0)
