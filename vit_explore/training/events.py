"""What a training run says while it goes: Started, then Step, Evaluated and Snapshot as they come, then Finished.

A Trainer that is asked for them also gives Checkpoints between them; `fit` gives none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from vit_explore.config import ModelConfig


@dataclass(frozen=True)
class Started:
    """The run's facts, before the first step."""

    device: str
    precision: str
    threads: int
    params: int
    flops: int  # of one forward pass of one image
    classes: tuple[str, ...]
    model: ModelConfig  # with the image size and the classes of the data
    mean: tuple[float, float, float]  # of the training pixels in [0, 1], per channel
    std: tuple[float, float, float]
    train_size: int
    val_size: int
    test_size: int
    steps_per_epoch: int
    sample_images: np.ndarray  # (n, 3, h, w) uint8, the first validation images
    sample_labels: np.ndarray  # (n,) int64
    resumed_at: int = 0  # the step at which a resumed run goes on


@dataclass(frozen=True)
class Step:
    """One optimiser step, with the learning rate that it took.

    `elapsed` and `remaining` are seconds; remaining is an estimate for a budget in epochs.
    """

    step: int
    epoch: float
    loss: float
    lr: float
    images_seen: int
    images_per_second: float
    elapsed: float
    remaining: float


@dataclass(frozen=True)
class Evaluated:
    """Results on a split: `val` during training (a part of it) and at the end (all), `test` once at the end."""

    step: int
    epoch: float
    elapsed: float
    images_seen: int
    split: str  # "val" or "test"
    loss: float
    top1: float  # in [0, 1]
    per_class: np.ndarray  # (C,) float32, recall of each class, NaN where it has no image
    confusion: np.ndarray  # (C, C) int64, rows are the truth
    sample_probs: np.ndarray  # (n, C) float32, for Started.sample_images


@dataclass(frozen=True)
class Snapshot:
    """The weights at a step of the log schedule (0, 1, 2, 4, …, then once an epoch), fp16 on the CPU."""

    step: int
    epoch: float
    elapsed: float
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to go on from here. What belongs to this step, and to those before, has been said already.

    The tensors are the trainer's own: write or copy them before the next event is asked for.
    """

    step: int
    state: dict[str, Any]  # for Trainer(state=)


@dataclass(frozen=True)
class Finished:
    """The end: the budget is spent, or (`stopped`) someone asked to stop. Times in seconds."""

    step: int
    stopped: bool
    test_top1: float
    test_loss: float
    macro_f1: float
    val_top1: float
    per_class: np.ndarray  # (C,) float32, on the test split
    confusion: np.ndarray  # (C, C) int64, on the test split
    predictions: np.ndarray  # (n_test,) int64
    params: int
    flops: int
    images_seen: int
    images_per_second: float
    train_seconds: float
    eval_seconds: float
    device: str


Event = Started | Step | Evaluated | Snapshot | Checkpoint | Finished
