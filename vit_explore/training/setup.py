"""What a run needs before its first step: random numbers, and a model that fits the data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from vit_explore.config import ModelConfig, RunConfig
from vit_explore.data import Dataset
from vit_explore.errors import BadConfig


def generator(seed: int, number: int, purpose: int) -> torch.Generator:
    """Random numbers that depend on (seed, number, purpose) alone."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence((seed, number, purpose)).generate_state(1)[0]))


def numbers(seed: int, number: int, purpose: int) -> np.random.Generator:
    """The same from NumPy, for distributions that torch draws from its global generator alone."""
    return np.random.default_rng(np.random.SeedSequence((seed, number, purpose)))


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """What is drawn within, on the CPU and on `device`, follows from `seed`; the caller's numbers stay as they were."""
    on_cuda = device is not None and device.type == "cuda"
    begin = torch.default_generator.manual_seed if device is None or device.type == "cpu" else torch.manual_seed
    with torch.random.fork_rng([device] if on_cuda else []):
        begin(seed % 2**64)
        yield


def fit_to_data(config: RunConfig, dataset: Dataset) -> ModelConfig:
    """The model with the data's classes, and size unless it has one of its own; BadConfig for other classes."""
    model, classes = config.model, len(dataset.classes)
    if "num_classes" in model.model_fields_set and model.num_classes != classes:
        raise BadConfig(
            f"The model has {model.num_classes} outputs and the data {classes} classes; "
            "leave num_classes out, and it follows the data."
        )
    size = dataset.train.images.shape[-1] if config.model_follows else model.image_size
    return model.replace(num_classes=classes, image_size=size)
