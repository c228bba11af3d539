"""`load_dataset`: source, splits, size, statistics, in this order."""

from __future__ import annotations

import logging
import os

import numpy as np

from vit_explore.config import DataConfig
from vit_explore.data.base import Dataset, DatasetStatus, Progress, Split, datasets
from vit_explore.data.images import resize_crop_batch
from vit_explore.data.splits import make_splits
from vit_explore.errors import BadConfig, VitExploreError

logger = logging.getLogger("vit_explore")
_MEMORY_SHARE = 0.5  # of the machine's memory that the images of a run may take

Three = tuple[float, float, float]
NORMALISED: dict[str, tuple[Three, Three]] = {  # mean and standard deviation that are the same for all data
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def load_dataset(config: DataConfig, progress: Progress | None = None) -> Dataset:
    """The dataset of `config`. Raises DataUnavailable, BadData, BadConfig or UnknownName, each with one sentence."""
    progress = progress or _silent
    source = datasets.get(config.dataset)()
    if config.coarse_labels and not source.coarse_classes:
        raise BadConfig(f"{config.dataset} has no coarse labels, only cifar100 has; leave coarse_labels off.")
    pool = source.load(config, progress)
    classes, *splits = make_splits(pool, config)
    check_memory(sum(map(len, splits)), config.image_size)
    train, val, test = (_resized(split, config.image_size, progress) for split in splits)
    mean, std = NORMALISED.get(config.normalize) or pixel_statistics(train.images)
    return Dataset(config.dataset, classes, train, val, test, mean, std, pool.left_out)


def dataset_status(name: str) -> DatasetStatus:
    """Whether the dataset `name` can be loaded right now, and from where. Cheap: no decoding, no network, no torch.

    Of a source that fails to tell, why: one that is broken must not take the others along.
    """
    source = datasets.get(name)
    try:
        return source().status()
    except VitExploreError as error:
        trouble = str(error)
    except Exception as error:
        logger.exception("The dataset %s does not tell whether it is here", name)
        trouble = f"The dataset {name!r} does not tell whether it is here ({type(error).__name__}: {error})."
    return DatasetStatus(name, source.title, source.description, source.classes, False, trouble, trouble)


def prepare(name: str, progress: Progress | None = None) -> str:
    """Download and decode the dataset `name`, so that the next load is quick; returns in words where it is now."""
    return datasets.get(name)().prepare(progress or _silent)


def pixel_statistics(images: np.ndarray) -> tuple[Three, Three]:
    """Mean and standard deviation per channel of uint8 images (n, 3, h, w) scaled to [0, 1].

    A channel that hardly moves (less than one grey level) has nothing to be scaled: its deviation is given as 1.
    """
    total, squares = np.zeros(3), np.zeros(3)
    step = max(1, 2**21 // images[0].size)
    for start in range(0, len(images), step):  # in parts, so that the float copy stays small
        part = images[start : start + step].reshape(-1, 3, images.shape[2] * images.shape[3]).astype(np.float32)
        total += part.sum(axis=2).sum(axis=0, dtype=np.float64)
        squares += np.einsum("ncp,ncp->nc", part, part).sum(axis=0, dtype=np.float64)
    count = images.size / 3
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    std[std < 1] = 255
    r, g, b = (mean / 255).tolist()
    sr, sg, sb = (std / 255).tolist()
    return (r, g, b), (sr, sg, sb)


def check_memory(count: int, size: int) -> None:
    """Raises BadConfig when `count` images of `size` px do not fit this machine's memory."""
    if not hasattr(os, "sysconf"):  # Windows: unknown, so not checked
        return
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    needed = count * 3 * size * size
    if needed > _MEMORY_SHARE * memory:
        raise BadConfig(
            f"{count:,} images of {size} px take {needed / 2**30:.1f} GB and this machine has {memory / 2**30:.1f} GB "
            "of memory; choose a smaller image_size or fewer images with per_class."
        )


def _resized(split: Split, size: int, progress: Progress) -> Split:
    if split.images.shape[2:] == (size, size):
        return split
    return Split(resize_crop_batch(split.images, size, progress), split.labels)


def _silent(message: str, share: float) -> None:
    pass
