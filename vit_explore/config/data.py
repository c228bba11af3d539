"""Which images, how many, at which size, split how."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from vit_explore.config.fields import Config, setting
from vit_explore.errors import BadConfig


class DataConfig(Config):
    """Which images, how many, at which size, split how. Two runs that differ here learn from other pictures."""

    dataset: str = setting("cifar10", "Dataset by name.", registry="vit_explore.data.base:datasets", is_open=True)
    classes: tuple[str, ...] | None = setting(
        None, "Class names to keep, in label order; all of them when not given.", empty="all"
    )
    per_class: int | None = setting(
        None, "Training images of each class, after validation is split off; all when not given.",
        ge=2, label="Images per class", empty="all",
    )  # fmt: skip
    image_size: int = setting(
        32, "Side of the square images in pixels.", ge=8, le=512, label="Image size (px)", words="image size"
    )
    normalize: Literal["data", "half", "imagenet"] = setting(
        "data",
        "What is subtracted from the pixels and what they are divided by: mean and standard deviation of the training "
        "images, one half for both, or ImageNet's.",
        label="Normalisation", advanced=True,
    )  # fmt: skip
    val_fraction: float = setting(
        0.2, "Share of the training images held out for validation.", gt=0.0, lt=0.9, label="Validation share"
    )
    seed: int = setting(
        0, "Seed of the split, of the choice of images and of drawn datasets.",
        ge=0, flat="data_seed", label="Seed of the data", words="data seed",
    )  # fmt: skip
    path: str | None = setting(None, "Folder or zip of class folders, for the dataset 'folder'.")
    coarse_labels: bool = setting(False, "CIFAR-100: the 20 super-classes in place of the 100.", advanced=True)

    @model_validator(mode="after")
    def _check(self) -> DataConfig:
        if self.classes is not None and len(set(self.classes)) < 2:
            given = len(set(self.classes))
            raise BadConfig(
                f"A classifier needs at least two different classes, {given} given; name two or more.", "classes"
            )
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise BadConfig("A class is named twice; name each class once.", "classes")
        if self.dataset == "folder" and not self.path:
            raise BadConfig("The dataset 'folder' needs a path; name a folder or a zip of class folders.", "path")
        return self
