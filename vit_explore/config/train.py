"""The budget, the optimiser and the machine."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import model_validator

from vit_explore.config.fields import Config, setting
from vit_explore.errors import BadConfig

_machine = partial(setting, fair="clock", advanced=True)  # its pace, and with it how far a budget in seconds reaches


class TrainConfig(Config):
    """The budget and the optimiser. Two models are compared fairly when they learn alike, for as long."""

    epochs: float | None = setting(
        None, "Budget in passes over the training images.", gt=0, le=10_000, words="budget in epochs", offered=5.0
    )
    seconds: float | None = setting(
        None, "Budget in seconds of training.", gt=0, le=604_800, words="budget in seconds", offered=60.0
    )
    batch_size: int = setting(64, "Images per step.", ge=1, le=8192)
    optimizer: str = setting(
        "muon", "How the weights are updated.", label="Optimiser", registry="vit_explore.cards:rules"
    )
    lr: float = setting(1e-3, "Peak learning rate.", gt=0, le=10, label="Learning rate")
    weight_decay: float = setting(0.05, "Decoupled weight decay, on matrices only.", ge=0, le=10)
    warmup_fraction: float = setting(
        0.1, "Share of the budget in which the learning rate rises; then a cosine to 0.",
        ge=0, lt=1, label="Share of warm-up",
    )  # fmt: skip
    low_res_fraction: float = setting(
        0.4,
        "Share of the budget, from its start, with images of half the side: a quarter of the tokens. "
        "0 turns it off; models that take one size only (timm's) never do it.",
        ge=0, lt=1, label="Share at half size",
    )  # fmt: skip
    label_smoothing: float = setting(0.1, "Share of the target spread over all classes.", ge=0, lt=1)
    augment: Literal["none", "flip", "flip+crop"] = setting(
        "flip+crop", "Random horizontal flip, and a shift by up to an eighth of the side.", label="Augmentation"
    )
    grad_clip: float = setting(
        1.0, "Largest norm of the gradient; 0 turns clipping off.", ge=0, label="Gradient clipping", advanced=True
    )
    evaluations: int = _machine(12, "Validations over the whole budget, equally spaced.", ge=1, le=1000)
    val_images: int = _machine(
        1000, "Most validation images looked at each time before the end (the last time: all).",
        ge=16, label="Validation images",
    )  # fmt: skip
    device: str = _machine("auto", "auto, cpu, cuda, cuda:N or mps.", advanced=False)
    precision: Literal["auto", "fp32", "bf16"] = _machine("auto", "auto times a few steps and keeps the faster.")
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
        ge=0, label="Seed of the training", words="training seed",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check(self) -> TrainConfig:
        if (self.epochs is None) == (self.seconds is None):
            came = "neither is" if self.epochs is None else "both are"
            raise BadConfig(
                f"Exactly one of epochs and seconds gives the budget, and {came} set; set one of them.",
                "seconds", "epochs",
            )  # fmt: skip
        return self
