"""What a training run says while it goes: Started, then Step, Evaluated and Snapshot as they come, then Finished.

Where a person changes or pauses it, Changed and Paused say so.
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
    model: ModelConfig  # with the classes of the data, and their size unless it has one of its own
    mean: tuple[float, float, float]  # per channel, taken from pixels in [0, 1]
    std: tuple[float, float, float]
    train_size: int
    val_size: int
    test_size: int
    steps_per_epoch: int
    sample_images: np.ndarray  # (n, 3, h, w) uint8, validation images of all classes in turn
    sample_labels: np.ndarray  # (n,) int64
    resumed_at: int = 0  # the step at which a resumed run, or a fork, goes on
    fused: bool | None = None  # fused attention or explicit; None: an earlier release did not say
    replicas: int | None = None  # of the model, each with its share of a batch
    compiled: bool | None = None
    mixed: bool = False  # an earlier part of the run was computed in another way than this says
    init_digest: str | None = None  # of the weights that model.init_from named; None: from scratch
    grouping: int = 1  # of the parameters in the optimiser, see optimizers.GROUPING


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
    progress: float  # the share of the budget at which the step was taken; decides lr and half size


@dataclass(frozen=True)
class Changed:
    """What a person set: it holds for the steps after `step`, until the next change."""

    step: int
    elapsed: float
    lr_factor: float  # of the learning rate that the schedule gives
    weight_decay: float
    augment: str


@dataclass(frozen=True)
class Paused:
    """After `step` the clock stood still for so many seconds."""

    step: int
    elapsed: float
    seconds: float


@dataclass(frozen=True)
class Evaluated:
    """Results on a split: `val` and `train` during training (a part of each), `test` once at the end."""

    step: int
    epoch: float
    elapsed: float
    images_seen: int
    split: str  # "val", "train" (not augmented) or "test"
    loss: float
    top1: float  # in [0, 1]
    per_class: np.ndarray  # (C,) float32, recall of each class, NaN where it has no image
    confusion: np.ndarray  # (C, C) int64, rows are the truth
    sample_probs: np.ndarray  # (n, C) float32, for Started.sample_images

    @property
    def images(self) -> int:
        """On how many images."""
        return int(self.confusion.sum())


@dataclass(frozen=True)
class Snapshot:
    """The weights, fp16 on the CPU: at a step of the log schedule (0, 1, 2, 4, …, then once an epoch, but of a linear
    probe 8, 16, 32, … on and on), at the last one, and, while someone watches, now and then between them.
    """

    step: int
    epoch: float
    elapsed: float
    weights: dict[str, Tensor]
    on_clock: bool = False  # between the steps of the schedule, since someone watches


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to go on from here. What belongs to this step, and to those before, has been said already.

    The tensors are the trainer's own: write or copy them before the next event is asked for.
    """

    step: int
    state: dict[str, Any]  # for Trainer(state=)


@dataclass(frozen=True)
class Finished:
    """The end: the budget is spent, the patience is at an end, or (`stopped`) someone asked to stop. Times in seconds.

    Without a test, its three numbers are None, and its arrays are those of no images.
    """

    step: int
    stopped: bool
    test_top1: float | None
    test_loss: float | None
    macro_f1: float | None
    val_top1: float
    per_class: np.ndarray  # (C,) float32, on the test split
    confusion: np.ndarray  # (C, C) int64, on the test split
    predictions: np.ndarray  # (test_images,) int64
    params: int
    flops: int
    images_seen: int
    images_per_second: float
    train_seconds: float
    eval_seconds: float
    device: str
    test_images: int  # on how many the test was; 0: there was none
    best_step: int | None = None  # of an early end: the step whose weights came back
    peak_memory: int | None = None  # bytes of the card, or of the process, at the highest; None: not known


Event = Started | Step | Changed | Paused | Evaluated | Snapshot | Checkpoint | Finished
