"""What a dataset is, and what a file in `sources/` has to provide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vit_explore.config import DataConfig
from vit_explore.errors import BadConfig
from vit_explore.registry import Registry

Progress = Callable[[str, float], None]  # (what is being done, share of it done in [0, 1])


@dataclass(frozen=True)
class Split:
    """Images with their labels; `masks` (where the object is) only for drawn datasets."""

    images: np.ndarray  # (n, 3, h, w) uint8
    labels: np.ndarray  # (n,) int64
    masks: np.ndarray | None = None  # (n, h, w) bool

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray) -> Split:
        """The images at `index`, copied."""
        masks = None if self.masks is None else np.asarray(self.masks[index])
        return Split(np.asarray(self.images[index]), np.asarray(self.labels[index]), masks)


@dataclass(frozen=True)
class Dataset:
    """A dataset ready to train on.

    `mean` and `std` per channel, of pixels in [0, 1], are those of the training pixels unless others are asked for.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    left_out: str = ""  # what of it could not be read, in a sentence


@dataclass(frozen=True)
class Pool:
    """All that a source has: training images before validation is split off; val and test where it has its own."""

    classes: tuple[str, ...]
    train: Split
    test: Split | None = None
    val: Split | None = None
    left_out: str = ""  # as of the dataset


@dataclass(frozen=True)
class DatasetStatus:
    """Whether a dataset could be loaded now without a network, and from where (or what to do).

    trouble: why not even that can be told, one sentence; it is not available then.
    """

    name: str
    title: str
    description: str
    classes: tuple[str, ...]  # empty where they depend on the user's folder
    available: bool
    where: str
    trouble: str = ""


class Source(ABC):
    """One dataset. A new one is a file in `sources/` with a subclass under `@datasets.register(name)`."""

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    classes: ClassVar[tuple[str, ...]] = ()
    train_images: ClassVar[int | None] = None  # of all classes, validation included; None where only loading tells
    drawn_per_class: ClassVar[int | None] = None  # training images that are made of each class unless told otherwise
    coarse_classes: ClassVar[tuple[str, ...]] = ()  # what `coarse_labels` gives, where there is such a thing

    @abstractmethod
    def load(self, config: DataConfig, progress: Progress) -> Pool:
        """Everything there is, at the native size or at `config.image_size`."""

    @abstractmethod
    def status(self) -> DatasetStatus:
        """Cheap: no decoding, no network, no torch."""

    @abstractmethod
    def prepare(self, progress: Progress) -> str:
        """Fetch and decode what can be; returns in words where it is now."""

    def _status(self, available: bool, where: str) -> DatasetStatus:
        return DatasetStatus(self.name, self.title, self.description, self.classes, available, where)


datasets: Registry[type[Source]] = Registry("dataset", package="vit_explore.data.sources")


def check_classes(dataset: str, known: Sequence[str], asked: Sequence[str]) -> None:
    """Raises BadConfig, listing the known classes (the first twelve of many), when one that is asked for is unknown."""
    unknown = [name for name in asked if name not in known]
    if unknown:
        more = f" and {len(known) - 12} more" if len(known) > 12 else ""
        raise BadConfig(f"{dataset} has no class {unknown[0]!r}; choose from: {', '.join(known[:12])}{more}.")
