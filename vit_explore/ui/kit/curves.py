"""The growing curves of one run: only what is new is read from the store."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Evaluated

AXES = {"elapsed": "seconds", "step": "steps", "epoch": "epochs", "images_seen": "images seen"}


@dataclass
class Curves:
    """What is known of a run so far; `refresh` brings it up to date."""

    run: str
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    evaluations: list[Evaluated] = field(default_factory=list)  # on the validation images
    _attempt: tuple[float | None, float | None] | None = None  # when a worker took the run, and when it ended

    def refresh(self, store: RunStore, record: RunRecord) -> bool:
        """Read what is new; True when there was something. Raises RunNotFound; DamagedFile, the losses read."""
        attempt = record.started, record.ended
        if attempt != self._attempt or (record.step or 0) < self.last_step:
            # started anew or resumed, which takes its later points back; or over: then all is read once more
            self.columns, self.evaluations, self._attempt = {}, [], attempt
        steps = store.steps(self.run, after=self.last_step)
        if not self.columns:
            self.columns = steps
        elif len(steps["step"]):
            self.columns = {name: np.concatenate([self.columns[name], steps[name]]) for name in steps}
        looked = self.evaluations[-1].step if self.evaluations else -1
        looks = [look for look in store.evaluations(self.run, after=looked) if look.split == "val"]
        self.evaluations += looks
        return bool(len(steps["step"]) or looks)

    @property
    def last_step(self) -> int:
        steps = self.columns.get("step")
        return int(steps[-1]) if steps is not None and len(steps) else -1

    def loss(self, axis: str) -> tuple[np.ndarray, np.ndarray]:
        """x and the training loss of each step (n,)."""
        if self.last_step < 0:
            return np.zeros(0), np.zeros(0)
        return self.columns[axis], self.columns["loss"]

    def accuracy(self, axis: str) -> tuple[np.ndarray, np.ndarray]:
        """x and the top-1 on the validation images (n,)."""
        x = [getattr(look, axis) for look in self.evaluations]
        return np.array(x, dtype=float), np.array([look.top1 for look in self.evaluations], dtype=float)
