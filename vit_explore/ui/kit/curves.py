"""The growing curves of one run: only what is new is read from the store."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Evaluated
from vit_explore.ui.kit import marks

AXES = {"elapsed": "seconds", "step": "steps", "epoch": "epochs", "images_seen": "images seen"}


@dataclass
class Curves:
    """What is known of a run so far; `refresh` brings it up to date."""

    run: str
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    evaluations: list[Evaluated] = field(default_factory=list)  # on the validation images
    on_training: list[Evaluated] = field(default_factory=list)  # on a part of the training images
    marks: list[marks.Said] = field(default_factory=list)  # what a person changed, and the pauses
    _attempt: tuple[float | None, float | None] | None = None  # when a worker took the run, and when it ended

    def refresh(self, store: RunStore, record: RunRecord) -> bool:
        """Read what is new; True when there was something. Raises RunNotFound; DamagedFile, the losses read."""
        attempt = record.started, record.ended
        if attempt != self._attempt or (record.step or 0) < self.last_step:
            # started anew or resumed, which takes its later points back; or over: then all is read once more
            self.columns, self.evaluations, self.on_training, self._attempt = {}, [], [], attempt
        steps = store.steps(self.run, after=self.last_step)
        if not self.columns:
            self.columns = steps
        elif len(steps["step"]):
            self.columns = {name: np.concatenate([self.columns[name], steps[name]]) for name in steps}
        self.marks = marks.said(store.marks(self.run), record.config)
        return bool(self._look(store) or len(steps["step"]))

    def _look(self, store: RunStore) -> int:
        """Read the new evaluations; gives how many. The two of one step may be written one after the other."""
        new = 0
        splits = {"val": self.evaluations, "train": self.on_training}
        known = {split: looks[-1].step if looks else -1 for split, looks in splits.items()}
        for look in store.evaluations(self.run, after=max(known.values()) - 1):
            if look.split in splits and look.step > known[look.split]:
                splits[look.split].append(look)
                new += 1
        return new

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
        return _top1(self.evaluations, axis)

    def accuracy_on_training(self, axis: str) -> tuple[np.ndarray, np.ndarray]:
        """x and the top-1 on a part of the training images, not augmented (n,)."""
        return _top1(self.on_training, axis)

    def marks_on(self, axis: str) -> np.ndarray:
        """Where the marks lie along an axis, (n,)."""
        if axis in ("step", "elapsed"):
            return np.array([getattr(mark, axis) for mark in self.marks], dtype=float)
        if self.last_step < 0:
            return np.zeros(0)
        return np.interp([mark.step for mark in self.marks], self.columns["step"], self.columns[axis])


def _top1(looks: list[Evaluated], axis: str) -> tuple[np.ndarray, np.ndarray]:
    x = [getattr(look, axis) for look in looks]
    return np.array(x, dtype=float), np.array([look.top1 for look in looks], dtype=float)
