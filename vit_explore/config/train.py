"""The budget, the optimiser and the machine."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import model_validator

from vit_explore.config.fields import Config, setting
from vit_explore.errors import BadConfig

Precision = Literal["auto", "fp32", "bf16"]

_rate = partial(setting, group="Optimiser and learning rate")
_sight = partial(setting, group="What it sees")
_weights = partial(setting, group="Which weights", advanced=True)
# its pace, and with it how far a budget in seconds reaches
_machine = partial(setting, fair="clock", advanced=True, group="Looks on the way, and the machine")

_UNCHANGED = {
    "augment": "none",
    "low_res_fraction": 0.0,
    "patch_loss": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "erasing": 0.0,
    "rand_augment": 0,
}


class TrainConfig(Config):
    """The budget and the optimiser. Two models are compared fairly when they learn alike, for as long."""

    epochs: float | None = setting(
        None,
        "Budget in passes over the training images; those that fill no whole batch are left out, others each time.",
        gt=0, le=10_000, words="budget in epochs", offered=5.0,
    )  # fmt: skip
    seconds: float | None = setting(
        None, "Budget in seconds of training.", gt=0, le=604_800, words="budget in seconds", offered=60.0
    )
    batch_size: int = _rate(64, "Images per step.", ge=1, le=8192)
    optimizer: str = _rate(
        "muon", "How the weights are updated.", label="Optimiser", registry="vit_explore.cards:rules"
    )
    momentum: float = _rate(
        0.9, "Momentum of sgd; the other optimisers have their own.",
        ge=0, lt=1, when=("optimizer", "sgd"), advanced=True,
    )  # fmt: skip
    nesterov: bool = _rate(
        False, "Nesterov's look ahead in sgd.",
        label="Nesterov momentum", words="Nesterov momentum", when=("optimizer", "sgd"), advanced=True,
    )  # fmt: skip
    lr: float = _rate(1e-3, "Peak learning rate.", gt=0, le=10, label="Learning rate")
    weight_decay: float = _rate(
        0.05,
        "Weight decay, on matrices only: decoupled, or with adam and sgd a part of the gradient (L2).",
        ge=0,
        le=10,
    )
    schedule: Literal["cosine", "constant", "exponential"] = _rate(
        "cosine",
        "The learning rate after warm-up: half a cosine to 0, as it is, or times `lr_decay` in each epoch.",
        label="Schedule",
    )
    lr_decay: float = _rate(
        0.98, "Factor of the learning rate in each epoch of the exponential schedule, step by step.",
        gt=0, le=1, label="Decay an epoch", words="decay of the learning rate", when=("schedule", "exponential"),
        advanced=True,
    )  # fmt: skip
    warmup_fraction: float = _rate(
        0.1, "Share of the budget in which the learning rate rises; then its schedule begins.",
        ge=0, lt=1, label="Share of warm-up",
    )  # fmt: skip
    warmup_start: float = _rate(
        0.0, "Share of the peak learning rate at which warm-up begins.",
        ge=0, le=1, label="Start of warm-up", advanced=True,
    )  # fmt: skip
    low_res_fraction: float = _sight(
        0.4,
        "Share of the budget, from its start, with images of half the side: a quarter of the tokens. "
        "0 turns it off; models that take one size only (timm's) never do it.",
        ge=0, lt=1, label="Share at half size",
    )  # fmt: skip
    label_smoothing: float = _sight(0.1, "Share of the target spread over all classes.", ge=0, lt=1)
    patch_loss: float = _sight(
        0.0,
        "Share of the loss that goes by a second answer of the head, from the mean of the patches beside the class "
        "token; 0 turns it off, and a model without both never does it.",
        ge=0, lt=1, label="Share of the patches in the loss", words="share of the patches in the loss", advanced=True,
    )  # fmt: skip
    augment: Literal["none", "flip", "flip+crop"] = _sight(
        "flip+crop", "Random horizontal flip, and a shift by up to an eighth of the side.", label="Augmentation"
    )
    mixup: float = _sight(
        0.0,
        "Mixup: alpha of the Beta distribution from which the share of a second image comes; 0 turns it off. The loss "
        "of a step is then that of mixed images.",
        ge=0, le=8, advanced=True,
    )  # fmt: skip
    cutmix: float = _sight(
        0.0, "CutMix: the same for a box of a second image. With both, each image draws one.",
        ge=0, le=8, label="CutMix", words="CutMix", advanced=True,
    )  # fmt: skip
    mix_until: float = _sight(
        0.8, "Share of the budget, from its start, with Mixup and CutMix; the rest sees whole images.",
        ge=0, le=1, label="Share with mixing", advanced=True,
    )  # fmt: skip
    erasing: float = _sight(
        0.0, "Random erasing: how likely an image loses a box, which gets the mean colour.", ge=0, le=1,
        label="Random erasing", advanced=True,
    )  # fmt: skip
    rand_augment: int = _sight(
        0, "RandAugment: magnitude of two random changes of each image; 9 is usual, 0 turns it off.", ge=0, le=30,
        label="RandAugment", words="RandAugment", advanced=True,
    )  # fmt: skip
    ema: float = _weights(
        0.0,
        "Moving average of the weights, which is evaluated and kept in their place: how much of it stays in each step, "
        "such as 0.999; 0 turns it off.",
        ge=0, lt=1, label="EMA of the weights", words="EMA of the weights",
    )  # fmt: skip
    patience: int | None = _weights(
        None,
        "End early after so many validations without a better accuracy, with the weights of the best one; a run that "
        "uses up its budget keeps its last weights.",
        ge=1, le=1000, empty="never early",
    )  # fmt: skip
    tune: Literal["all", "head"] = _weights(
        "all",
        "What is trained. head: a linear probe, on features that the frozen rest gives once for each image, as it is: "
        "not augmented, not at half size.",
        label="Trained part",
    )  # fmt: skip
    layer_decay: float = _weights(
        1.0, "Each layer below the head learns at this factor of the rate of the one above it.",
        gt=0, le=1, label="Layer-wise decay of the learning rate",
    )  # fmt: skip
    grad_clip: float = _rate(
        1.0, "Largest norm of the gradient; 0 turns clipping off.", ge=0, label="Gradient clipping", advanced=True
    )
    evaluations: int = _machine(12, "Validations over the whole budget, equally spaced.", ge=1, le=1000)
    val_images: int = _machine(
        1000, "Most validation images looked at each time before the end (the last time: all).",
        ge=16, label="Validation images",
    )  # fmt: skip
    device: str = _machine("auto", "auto, cpu, cuda, cuda:N or mps.", advanced=False)
    precision: Precision = _machine("auto", "auto times a few steps and keeps the faster.")
    compiled: Literal["auto", "on", "off"] = _machine(
        "auto",
        "Compile the step before the clock starts (seconds to a minute); auto: on a GPU, when the budget "
        "is a minute or five epochs at least.",
        label="Compile the step",
    )
    threads: int | None = _machine(
        None, "CPU threads of torch; all cores when not given.", ge=1, le=256, empty="all cores"
    )
    seed: int = setting(
        0, "Seed of the weights, the order of images and the augmentation.",
        ge=0, le=2**63 - 1, label="Seed of the training", words="training seed",
    )  # fmt: skip

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, at first at least."""
        return (self.mixup > 0 or self.cutmix > 0) and self.mix_until > 0

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if (self.epochs is None) == (self.seconds is None):
            came = "neither is" if self.epochs is None else "both are"
            raise BadConfig(
                f"Exactly one of epochs and seconds gives the budget, and {came} set; set one of them.",
                "seconds", "epochs",
            )  # fmt: skip
        if self.nesterov and not self.momentum:
            raise BadConfig("Nesterov's look ahead needs a momentum above 0; set one, or turn it off.",
                            "momentum", "nesterov")  # fmt: skip
        if self.tune == "head":  # the record says what is done
            for name, value in _UNCHANGED.items():
                object.__setattr__(self, name, value)
        return self
