"""What a run shows of itself, and what is found in it: frozen, without torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from vit_explore.config import RunConfig
from vit_explore.registry import Registry

SETTLING = 0.05  # of the budget, which the loss has for falling again when the images get their full size


class Severity(IntEnum):
    """How much it matters: a hint for the next run, a warning, or a run that learns nothing as it is."""

    HINT = 1
    WARNING = 2
    BROKEN = 3


@dataclass(frozen=True)
class Repair:
    """What to do about it: settings by their flat names that a new run changes."""

    label: str  # of a button
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """A symptom that a run has: one sentence, the numbers behind it in words, and one repair where there is any."""

    name: str
    sentence: str
    evidence: tuple[str, ...]
    severity: Severity
    repair: Repair | None


@dataclass(frozen=True)
class Look:
    """Accuracies in [0, 1] at one step, on images of the training (not augmented) and of the validation."""

    progress: float  # share of the budget, in [0, 1]
    train: float
    val: float
    train_images: int
    val_images: int

    @property
    def gap(self) -> float:
        return self.train - self.val

    @property
    def noise(self) -> float:
        """The standard error of the gap, from the numbers of images."""
        parts = ((self.train, self.train_images), (self.val, self.val_images))
        return math.sqrt(sum(p * (1 - p) / max(1, n) for p, n in parts))


@dataclass(frozen=True)
class Inside:
    """A few numbers of the weights at one step; None or empty where a model has no such thing."""

    step: int
    nearness: float | None = None  # correlation of the position embeddings' similarity with the patches' nearness
    noise_floor: float | None = None  # 1 / sqrt(D)
    entropy: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))  # (L, H) in [0, 1]
    top_share: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))  # (L, H): of the most attended token


@dataclass(frozen=True)
class Evidence:
    """What is known of a run: its curves by share of the budget, accuracies, the newest look inside.

    progress, loss: (n,), one entry for each step. touched: the progress at which a person changed a setting last.
    """

    config: RunConfig
    classes: int
    progress: np.ndarray
    loss: np.ndarray
    steps: int = 0
    touched: float = 0.0
    looks: tuple[Look, ...] = ()
    inside: Inside | None = None
    failure: str = ""  # why the loss is no number any more: one sentence

    @property
    def now(self) -> float:
        """The share of the budget that is spent."""
        return float(self.progress[-1]) if len(self.progress) else 0.0

    @property
    def guessing(self) -> float:
        """The loss of a model that finds all classes alike."""
        return math.log(max(2, self.classes))

    @property
    def settled(self) -> float:
        """The progress since which the loss moves by learning alone: no hand, no other size of the images."""
        half = self.config.train.low_res_fraction if self.config.model.takes_half_size else 0.0
        return max(self.touched, half + SETTLING) if 0 < half <= self.now else self.touched

    def since(self, start: float) -> tuple[np.ndarray, np.ndarray]:
        """(progress, loss) of the steps from a share of the budget on."""
        chosen = self.progress >= start
        return self.progress[chosen], self.loss[chosen]


Symptom = Callable[[Evidence], Finding | None]
symptoms: Registry[Symptom] = Registry("symptom", "vit_explore.diagnosis.symptoms")


def diagnose(evidence: Evidence) -> list[Finding]:
    """What the evidence shows, the most severe first; nothing for a run that does well."""
    found = [finding for _, symptom in symptoms if (finding := symptom(evidence)) is not None]
    return sorted(found, key=lambda finding: -finding.severity)
