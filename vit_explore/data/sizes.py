"""How much a run's settings ask for, without loading any image: classes, and images of each split."""

from __future__ import annotations

from vit_explore.config import DataConfig, ModelConfig, RunConfig
from vit_explore.data.base import DatasetStatus, check_classes, datasets
from vit_explore.data.loading import dataset_status
from vit_explore.data.members import counted, located
from vit_explore.data.splits import TEST_FRACTION

TEST_SHARE = 0.2  # test images for each training image, about, as in CIFAR-10 and CIFAR-100


def status_of(name: str) -> DatasetStatus | None:
    """The dataset's status; None for an unknown one."""
    return dataset_status(name) if name in datasets else None


def model_of(config: RunConfig, status: DatasetStatus | None) -> ModelConfig:
    """The model with as many outputs as the data have classes, where that is known."""
    classes = count_classes(config, status)
    return config.model.replace(num_classes=classes) if classes else config.model


def class_names(config: RunConfig, status: DatasetStatus | None) -> tuple[str, ...]:
    """The classes that the run tells apart, in the order of its answers; empty where only the data can tell."""
    if config.data.classes is not None:
        return tuple(config.data.classes)
    if status is None:
        return ()
    return datasets.get(status.name).coarse_classes if config.data.coarse_labels else status.classes


def count_classes(config: RunConfig, status: DatasetStatus | None) -> int:
    """How many classes the run tells apart; 0 where only the data can tell."""
    return len(class_names(config, status))


def training_images(config: RunConfig, status: DatasetStatus | None) -> int | None:
    """How many images the run trains on; None where only the data can tell."""
    data = config.data
    classes = count_classes(config, status)
    if not classes:
        return None
    if data.per_class is not None:
        return classes * data.per_class
    pool = _pool(config, status)
    return None if pool is None else pool if _is_drawn(status) else round(pool * (1 - data.val_fraction))


def test_images(config: RunConfig, status: DatasetStatus | None) -> int | None:
    """About how many images the run is tested on, which `per_class` does not cut; None where only the data can tell."""
    pool = _pool(config, status)
    return None if pool is None else round(TEST_SHARE * pool)


def own_images(data: DataConfig) -> tuple[int, int, int]:
    """(classes, about how many training images, about how many test images) of a person's own pictures, by their names.

    Raises BadData where there is no folder or zip of class folders, BadConfig for a class that it does not have.
    """
    counts = counted(located(data.path or ""))
    names = data.classes or tuple(counts["train"])
    check_classes(data.dataset, tuple(counts["train"]), names)
    pool = {split: sum(by_class[name] for name in names) for split, by_class in counts.items()}
    test = pool.get("test", round(TEST_FRACTION * pool["train"]))
    train = pool["train"] - (0 if "test" in pool else test)
    train -= 0 if "val" in pool else round(data.val_fraction * train)
    return len(names), train if data.per_class is None else min(train, len(names) * data.per_class), test


def _pool(config: RunConfig, status: DatasetStatus | None) -> int | None:
    """Images of the chosen classes to train on: all of a source, or as many as are drawn."""
    classes, source = count_classes(config, status), None if status is None else datasets.get(status.name)
    if source is None or not classes:
        return None
    if source.drawn_per_class is not None:
        return classes * source.drawn_per_class
    if source.train_images is None:
        return None
    return round(source.train_images * classes / (count_classes(config.update(classes=None), status) or 1))


def _is_drawn(status: DatasetStatus | None) -> bool:
    return status is not None and datasets.get(status.name).drawn_per_class is not None
