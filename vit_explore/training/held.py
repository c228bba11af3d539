"""What a person has set, as the trainer holds it: into the optimiser, into the batches, and into the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vit_explore.config import TrainConfig
from vit_explore.training.controls import Controls


@dataclass(frozen=True)
class Held:
    """The settings that hold for the next step; the learning rate as a factor of what the schedule gives."""

    lr_factor: float
    weight_decay: float
    augment: str

    @classmethod
    def by(cls, controls: Controls, train: TrainConfig) -> Held:
        """What `controls` come to in a run with these settings."""
        decay = train.weight_decay if controls.weight_decay is None else controls.weight_decay
        return cls(controls.lr_factor, decay, controls.augment or train.augment)

    @classmethod
    def stored(cls, values: Any, train: TrainConfig) -> Held:
        """From a checkpoint; one of an earlier release has none, and nothing was set then."""
        own = cls.by(Controls(), train)
        return own if not isinstance(values, dict) else cls(**{**vars(own), **values})
