"""The two sides of a race: a run each, and the runs that repeat it with other seeds."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice, zip_longest

import numpy as np

from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Changed
from vit_explore.ui.kit.wording import ACTIVE

SEEDS = 3  # of each side, for a race that is to say more than one run can
MOST = 6  # runs of a side that are shown

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


def other_seeds(record: RunRecord, records: Iterable[RunRecord], store: RunStore) -> list[RunRecord]:
    """Of `records`, the newest first, those that repeat `record` with other seeds: the newest of each seed, by seed.

    A fork, or a run whose settings were changed by hand while it trained, repeats nothing.
    """
    alike: dict[int, RunRecord] = {}
    for other in records:
        counts = other.state in (*ACTIVE, "finished") and other.config is not None and repeats(other, record)
        if counts and not _touched(other, store):
            alike.setdefault(other.settings().train.seed, other)
    return [alike[seed] for seed in sorted(alike)][: MOST - 1]


def repeats(one: RunRecord, other: RunRecord) -> bool:
    """Whether the two differ in the training seed alone, and do differ in it."""
    a, b = one.settings(), other.settings()
    if one.fork_step is not None or a.train.seed == b.train.seed or a.data != b.data or a.model != b.model:
        return False
    return a.train.model_copy(update={"seed": b.train.seed}) == b.train


def _touched(record: RunRecord, store: RunStore) -> bool:
    """Whether a person changed its settings while it trained."""
    return any(isinstance(mark, Changed) for mark in store.marks(record.id))


def start_seeds(store: RunStore, sides: Sequence[Side], seeds: int = SEEDS) -> list[str]:
    """Queue what each side lacks of `seeds` runs, in turn; gives their ids."""
    group = sides[0].shown.group or f"race-{secrets.token_hex(4)}"
    queued: list[str] = []
    store.check_start([side.shown.settings() for side in sides for _ in _new_seeds(side, seeds)])
    for turn in zip_longest(*(_new_seeds(side, seeds) for side in sides)):
        for side, seed in zip(sides, turn, strict=True):
            if seed is not None:
                repeat = side.shown.settings().update(name="", seed=seed)
                queued.append(store.create(repeat, group=group, parent=side.shown.id))
    return queued


def _new_seeds(side: Side, seeds: int) -> list[int]:
    """The seeds of the runs that the side lacks: the next ones that it has not."""
    taken = {record.settings().train.seed for record in side.records}
    free = (seed for seed in count(side.shown.settings().train.seed + 1) if seed not in taken)
    return list(islice(free, max(0, seeds - len(side.records))))


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
