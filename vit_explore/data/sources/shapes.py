"""Shapes: drawn on the spot, with the object's mask known, so that attention can be scored against the truth."""

from __future__ import annotations

import hashlib

import numpy as np

from vit_explore.config import DataConfig
from vit_explore.data import cache
from vit_explore.data.base import DatasetStatus, Pool, Progress, Source, Split, check_classes, datasets
from vit_explore.data.drawing import SHAPES, draw_shapes
from vit_explore.data.splits import validation_size
from vit_explore.errors import BadConfig

TRAIN_PER_CLASS, TEST_PER_CLASS = 1000, 200
_CACHE_LIMIT = 2**29  # bytes; larger draws are not kept on disk
_DRAW_LIMIT = 2**33


@datasets.register("shapes")
class Shapes(Source):
    """Ten shapes, any number of images, any size; the training and test images are drawn from different streams."""

    name = "shapes"
    title = "Shapes"
    description = "Ten drawn shapes on cluttered backgrounds, with the object's mask; needs no download."
    classes = tuple(SHAPES)
    drawn_per_class = TRAIN_PER_CLASS

    def load(self, config: DataConfig, progress: Progress) -> Pool:
        classes = config.classes or self.classes
        check_classes(self.name, self.classes, classes)
        train = config.per_class or TRAIN_PER_CLASS
        counts = {"train": train + validation_size(train, config.val_fraction), "test": TEST_PER_CLASS}
        needed = len(classes) * sum(counts.values()) * 4 * config.image_size**2
        if needed > _DRAW_LIMIT:
            raise BadConfig(
                f"{sum(counts.values()):,} images of each shape at {config.image_size} px take {needed / 2**30:.0f} GB "
                f"and at most {_DRAW_LIMIT // 2**30} GB are drawn; choose a smaller per_class or image_size."
            )
        key = _key(config, classes, counts)
        stored = cache.load(key, ("train", "test"))
        if stored is None:
            stored = {
                split: _draw(classes, count, config, stream, progress)
                for stream, (split, count) in enumerate(counts.items())
            }
            if needed <= _CACHE_LIMIT:
                cache.store(key, stored)
        return Pool(classes, stored["train"], stored["test"])

    def status(self) -> DatasetStatus:
        return self._status(True, "drawn when it is needed")

    def prepare(self, progress: Progress) -> str:
        self.load(DataConfig(dataset=self.name), progress)
        return f"{self.name} is drawn when it is needed; the default set lies in {cache.data_home()}"


def _key(config: DataConfig, classes: tuple[str, ...], counts: dict[str, int]) -> str:
    facts = (1, classes, counts, config.image_size, config.seed)  # the first number: the version of the drawing
    return "shapes-" + hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _draw(classes: tuple[str, ...], count: int, config: DataConfig, stream: int, progress: Progress) -> Split:
    """`count` images of each class, the classes in turn."""
    size, k = config.image_size, len(classes)
    images = np.empty((count, k, 3, size, size), np.uint8)
    masks = np.empty((count, k, size, size), bool)
    for label, name in enumerate(classes):
        progress(f"Drawing {('training', 'test')[stream]} images: {name}", label / k)
        images[:, label], masks[:, label] = draw_shapes(name, count, size, config.seed, stream)
    labels = np.tile(np.arange(k, dtype=np.int64), count)
    return Split(images.reshape(-1, 3, size, size), labels, masks.reshape(-1, size, size))
