"""Names for runs that nobody named."""

from __future__ import annotations

from collections.abc import Collection

from vit_explore.config import RunConfig


def describe(config: RunConfig) -> str:
    """A run's settings in a few words, such as "ViT p4 d128×6 · 4 classes · 60 s"."""
    return " · ".join((config.model.card.says(config.model), _data(config), _budget(config)))


def numbered(name: str, taken: Collection[str]) -> str:
    """`name`, or `name (2)`, `name (3)`, … when it is taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def _data(config: RunConfig) -> str:
    if config.data.classes is None:
        return config.data.dataset
    return f"{len(config.data.classes)} classes"


def _budget(config: RunConfig) -> str:
    if config.train.seconds is not None:
        return f"{config.train.seconds:g} s"
    return f"{config.train.epochs:g} epoch{'' if config.train.epochs == 1 else 's'}"
