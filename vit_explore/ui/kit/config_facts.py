"""What a run's settings mean for its data and its model, without loading either."""

from __future__ import annotations

from vit_explore.config import RunConfig
from vit_explore.data.sizes import class_names, count_classes, model_of, status_of, training_images
from vit_explore.ui.kit import wording

__all__ = ["budget_words", "class_names", "count_classes", "model_of", "status_of", "training_images"]


def budget_words(config: RunConfig) -> str:
    """The budget as people say it."""
    train = config.train
    if train.seconds is not None:
        return wording.duration(train.seconds)
    return f"{train.epochs:g} epoch{'' if train.epochs == 1 else 's'}"
