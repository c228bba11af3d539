"""The training images as batches: they lie on the device as uint8 and are indexed and augmented there, all at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vit_explore.config import TrainConfig
from vit_explore.data import Dataset
from vit_explore.data.augment import take_batch, to_input
from vit_explore.data.fitting import Fitting
from vit_explore.training.setup import generator


class Batches:
    """What the model sees at each step: order and augmentation follow from (seed, step) alone."""

    def __init__(self, dataset: Dataset, train: TrainConfig, device: torch.device, fitting: Fitting) -> None:
        self.fitting = fitting  # to the model's size, which may be another than that of the images
        self.images = torch.from_numpy(np.ascontiguousarray(dataset.train.images)).to(device)
        self.labels = torch.from_numpy(dataset.train.labels).to(device)
        self.mean, self.std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (dataset.mean, dataset.std))
        self.seed = train.seed
        self.augment: str = train.augment
        self.size = min(train.batch_size, len(self.labels))
        self.per_epoch = len(self.labels) // self.size
        self._order_of = -1  # the epoch whose order is at hand

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Normalised images (B, 3, h, w) and labels (B,) of a step."""
        epoch, place = divmod(step, self.per_epoch)
        if self._order_of != epoch:
            order = torch.randperm(len(self.labels), generator=generator(self.seed, epoch, 1))
            self._order, self._order_of = order.to(self.images.device), epoch
        index = self._order[place * self.size : (place + 1) * self.size]
        batch = take_batch(self.images, index, self.augment, generator(self.seed, step, 2))
        x = to_input(self.fitting(batch), self.mean, self.std).contiguous(memory_format=torch.channels_last)
        return x, self.labels[index]
