"""What is needed to take the steps of a run again: when each was taken, what a person had set, how it was computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vit_explore.config import TrainConfig
from vit_explore.training.controls import Controls
from vit_explore.training.events import Changed
from vit_explore.training.optimizers import GROUPING


@dataclass(frozen=True)
class Pin:
    """How a step is computed, where that is not to be found out anew."""

    precision: str
    fused: bool
    replicas: int
    threads: int

    @classmethod
    def stored(cls, values: Any, device: str) -> Pin | None:
        """That of a checkpoint; None for one of an earlier release, or of another kind of device than this."""
        if not isinstance(values, dict) or values.get("device") != device:
            return None
        return cls(**{name: values[name] for name in ("precision", "fused", "replicas", "threads")})


@dataclass(frozen=True)
class Replay:
    """The record of a run, up to the step `last`.

    steps, progress: (n,) rising steps and the share of the budget at which they, and those since the step before in
    `steps`, were taken; None for a budget in epochs, where it follows from the step.
    """

    last: int
    changes: tuple[Changed, ...]
    pin: Pin
    steps: np.ndarray | None = None
    progress: np.ndarray | None = None
    grouping: int = GROUPING  # of the parameters in the optimiser

    def share(self, step: int) -> float | None:
        """The share at which the step after `step` was taken; None: it follows from the step."""
        if self.steps is None or self.progress is None:
            return None
        return float(self.progress[np.searchsorted(self.steps, step + 1)])

    def controls(self, step: int, train: TrainConfig) -> Controls:
        """What held after `step`."""
        now = Controls()
        for change in self.changes:
            if change.step <= step:
                now = Controls(False, change.lr_factor, change.weight_decay, change.augment)
        return now
