"""What a run's settings mean for its data and its model, without loading either."""

from __future__ import annotations

from vit_explore.config import ModelConfig, RunConfig
from vit_explore.data import DatasetStatus, dataset_status, datasets
from vit_explore.ui.kit import wording


def model_of(config: RunConfig, status: DatasetStatus | None) -> ModelConfig:
    """The model with as many outputs as the data have classes, where that is known."""
    classes = count_classes(config, status)
    return config.model.replace(num_classes=classes) if classes else config.model


def count_classes(config: RunConfig, status: DatasetStatus | None) -> int:
    """How many classes the run tells apart; 0 where only the data can tell."""
    if config.data.classes is not None:
        return len(config.data.classes)
    if status is None:
        return 0
    return len(datasets.get(status.name).coarse_classes if config.data.coarse_labels else status.classes)


def training_images(config: RunConfig, status: DatasetStatus | None) -> int | None:
    """How many images the run trains on; None where only the data can tell."""
    data = config.data
    classes = count_classes(config, status)
    if not classes:
        return None
    if data.per_class is not None:
        return classes * data.per_class
    source = None if status is None else datasets.get(status.name)
    if source is not None and source.drawn_per_class is not None:
        return classes * source.drawn_per_class
    if source is None or source.train_images is None:
        return None
    share = classes / (count_classes(config.update(classes=None), status) or 1)
    return round(source.train_images * share * (1 - data.val_fraction))


def budget_words(config: RunConfig) -> str:
    """The budget as people say it."""
    train = config.train
    if train.seconds is not None:
        return wording.duration(train.seconds)
    return f"{train.epochs:g} epoch{'' if train.epochs == 1 else 's'}"


def status_of(name: str) -> DatasetStatus | None:
    return dataset_status(name) if name in datasets else None
