"""From all that a source has to the splits of one run: classes chosen, validation split off, amounts cut; seeded.

Each class is shuffled by a generator of its own, keyed by the seed and the class's *name*: which other classes are
chosen, and how many images are kept, never moves an image from one split to another.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from vit_explore.config import DataConfig
from vit_explore.data.base import Pool, Split, check_classes
from vit_explore.errors import BadConfig, BadData

TEST_FRACTION = 0.2  # of the images of a source that has no test split of its own


def make_splits(pool: Pool, config: DataConfig) -> tuple[tuple[str, ...], Split, Split, Split]:
    """(classes, train, val, test) of `config`; the labels are 0 … k-1 in the order of the classes asked for."""
    classes = config.classes or pool.classes
    check_classes(config.dataset, pool.classes, classes)
    wanted = [pool.classes.index(name) for name in classes]
    train = [_shuffled(pool.train, label, config.seed, name) for label, name in zip(wanted, classes, strict=True)]
    test, train = _hold_out(train, pool.test, wanted, TEST_FRACTION, classes)
    val, train = _hold_out(train, pool.val, wanted, config.val_fraction, classes)
    if config.per_class is not None:
        train, val = _cut(train, val, config.per_class, config.val_fraction, classes)
    rng = np.random.default_rng([config.seed, 1])
    return (
        tuple(classes),
        _gather(pool.train, train, rng),
        _gather(pool.val or pool.train, val, rng),
        _gather(pool.test or pool.train, test, None if pool.test else rng),
    )


def validation_size(train: int, fraction: float) -> int:
    """Validation images that go with `train` training images, such that they are `fraction` of both together."""
    return max(1, round(train * fraction / (1 - fraction)))


def _shuffled(split: Split, label: int, seed: int, name: str) -> np.ndarray:
    index = np.flatnonzero(split.labels == label)
    return np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(index)


def _hold_out(
    train: list[np.ndarray], own: Split | None, wanted: Sequence[int], fraction: float, classes: Sequence[str]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(held out, the rest) per class: the source's own split where there is one, else a `fraction` of the training."""
    if own is not None:
        return [np.flatnonzero(own.labels == label) for label in wanted], train
    held, rest = [], []
    for index, name in zip(train, classes, strict=True):
        if len(index) < 2:
            raise BadData(
                f"The class {name!r} has too few images ({len(index)} left to split into training and validation); "
                "add images to it, or leave the class out."
            )
        cut = min(max(1, round(len(index) * fraction)), len(index) - 1)
        held.append(index[:cut])
        rest.append(index[cut:])
    return held, rest


def _cut(
    train: list[np.ndarray], val: list[np.ndarray], per_class: int, fraction: float, classes: Sequence[str]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    fewest = min(range(len(train)), key=lambda i: len(train[i]))
    if per_class > len(train[fewest]):
        raise BadConfig(
            f"{per_class} images per class are more than there are: the class {classes[fewest]!r} has "
            f"{len(train[fewest])} training images after validation is split off; choose at most {len(train[fewest])}."
        )
    kept = validation_size(per_class, fraction)
    return [index[:per_class] for index in train], [index[:kept] for index in val]


def _gather(source: Split, parts: list[np.ndarray], rng: np.random.Generator | None) -> Split:
    """The images of `parts`, one part per new label: mixed by `rng`, or in the source's order."""
    index = np.concatenate(parts)
    labels = np.repeat(np.arange(len(parts), dtype=np.int64), [len(part) for part in parts])
    order = np.argsort(index, kind="stable") if rng is None else rng.permutation(len(index))
    taken = source.take(index[order])
    return Split(taken.images, labels[order], taken.masks)
