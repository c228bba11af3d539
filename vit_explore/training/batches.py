"""The training images as batches: they lie on the device as uint8 and are indexed and augmented there, all at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vit_explore.config import TrainConfig
from vit_explore.data import Dataset
from vit_explore.data.augment import put, take_batch, to_input
from vit_explore.data.fitting import Fitting
from vit_explore.data.mixing import erase, mix
from vit_explore.training.setup import generator, numbers

ORDER, SHIFT, CHANGE, ERASE, MIX = range(1, 6)  # what random numbers are for


class Batches:
    """What the model sees at each step: order and augmentation follow from (seed, step) alone."""

    def __init__(self, dataset: Dataset, train: TrainConfig, device: torch.device, fitting: Fitting) -> None:
        self.images = torch.from_numpy(np.ascontiguousarray(dataset.train.images)).to(device)
        self.labels = torch.from_numpy(dataset.train.labels).to(device)
        self.mean, self.std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (dataset.mean, dataset.std))
        self.fitting = fitting  # to the model's size, which may be another than that of the images
        self.train, self.seed, self.classes = train, train.seed, len(dataset.classes)
        self.augment: str = train.augment
        self.size = min(train.batch_size, len(self.labels))
        self.per_epoch = len(self.labels) // self.size
        self._grey = [255 * value for value in dataset.mean]  # becomes 0
        self._order_of = -1  # the epoch whose order is at hand

    def at(self, step: int, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """Normalised images (B, 3, h, w) of a step, taken at this share of the budget, and what is right for them.

        That is a label (B,), or where images are mixed, a target (B, C).
        """
        index = self._index(step)
        x = self._augmented(index, step)
        labels, train = self.labels[index], self.train
        if train.mixes and share < train.mix_until:
            return mix(x, labels, self.classes, train.mixup, train.cutmix, numbers(self.seed, step, MIX))
        return x, labels

    def _index(self, step: int) -> Tensor:
        """Which images (B,) a step takes."""
        epoch, place = divmod(step, self.per_epoch)
        if self._order_of != epoch:
            order = torch.randperm(len(self.labels), generator=generator(self.seed, epoch, ORDER))
            self._order, self._order_of = put(order, self.images.device), epoch
        return self._order[place * self.size : (place + 1) * self.size]

    def _augmented(self, index: Tensor, step: int) -> Tensor:
        """These images, each for itself changed as the settings say."""
        batch = take_batch(self.images, index, self.augment, generator(self.seed, step, SHIFT))
        if self.train.rand_augment:
            from vit_explore.data.rand_augment import rand_augment  # torchvision's kernels, only where they are wanted

            batch = rand_augment(batch, self.train.rand_augment, self._grey, numbers(self.seed, step, CHANGE))
        x = to_input(self.fitting(batch), self.mean, self.std)
        if self.train.erasing:
            x = erase(x, self.train.erasing, numbers(self.seed, step, ERASE))
        return x.contiguous(memory_format=torch.channels_last)
