"""Who the benchmarks compare with: the loop that one writes first, and timm's ViT of the same shape."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from PIL import Image
from timm.models import VisionTransformer
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from vit_explore.cards import card_of, cards
from vit_explore.config import ModelConfig, RunConfig
from vit_explore.data import Dataset
from vit_explore.models import create_model
from vit_explore.training.devices import pick_device
from vit_explore.training.optimizers import make_optimizers
from vit_explore.training.setup import fit_to_data

TIMM = "timm-vit-of-this-shape"


def timm_vit(config: ModelConfig) -> nn.Module:
    """timm's VisionTransformer with the shape of ours."""
    return VisionTransformer(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.num_heads,
        mlp_ratio=config.mlp_ratio,
        num_classes=config.num_classes,
        global_pool="token" if config.pool == "cls" else "avg",
        class_token=config.pool == "cls",
    )


cards.register(TIMM)(replace(card_of("vit"), name=TIMM, build=timm_vit, takes_half_size=lambda config: False))


class Pictures(TorchDataset):
    """The training images one by one, as torchvision's CIFAR10 gives them."""

    def __init__(self, dataset: Dataset, transform: transforms.Compose) -> None:
        self.images = dataset.train.images.transpose(0, 2, 3, 1)
        self.labels, self.transform = dataset.train.labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[i])), int(self.labels[i])


class PlainLoop:
    """A training loop as in the tutorials: transforms for each image, DataLoader workers, fp32, one step after another.

    The same model, optimiser, batch size and learning rate as `config`; `seconds` is the length of the cosine schedule.
    """

    def __init__(self, config: RunConfig, dataset: Dataset, seconds: float, workers: int) -> None:
        self.train, self.seconds, self.dataset = config.train, seconds, dataset
        self.device = pick_device(config.train.device)
        torch.manual_seed(config.train.seed)
        self.model = create_model(fit_to_data(config, dataset)).to(self.device)
        self.optimizer = make_optimizers(self.model, config.model.card, config.train)
        steps = [
            *([transforms.RandomCrop(32, padding=4)] if config.train.augment == "flip+crop" else []),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(dataset.mean, dataset.std),
        ]
        pictures = Pictures(dataset, transforms.Compose(steps))
        self.loader = DataLoader(
            pictures, config.train.batch_size, shuffle=True, num_workers=workers, drop_last=True,
            persistent_workers=workers > 0, pin_memory=self.device.type == "cuda",
        )  # fmt: skip

    def steps(self) -> Iterator[int]:
        """Train until the seconds are over; gives the images of each step. The clock starts at the first batch."""
        start = 0.0
        while True:
            for x, y in self.loader:
                start = start or time.perf_counter()
                progress = (time.perf_counter() - start) / self.seconds
                if progress >= 1:
                    return
                self.optimizer.set_lr(self.train.lr * _cosine(progress, self.train.warmup_fraction))
                loss = F.cross_entropy(
                    self.model(x.to(self.device, non_blocking=True)),
                    y.to(self.device, non_blocking=True),
                    label_smoothing=self.train.label_smoothing,
                )
                self.model.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), self.train.grad_clip)
                self.optimizer.step()
                yield len(y)

    @torch.inference_mode()
    def test_top1(self) -> float:
        """Top-1 on the test split, in [0, 1]."""
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.dataset.mean, self.dataset.std))
        test, right = self.dataset.test, 0
        self.model.eval()
        for first in range(0, len(test.labels), 250):
            x = torch.from_numpy(test.images[first : first + 250]).float().div(255).sub(mean).div(std)
            right += int((self.model(x.to(self.device)).argmax(1).cpu() == _labels(test.labels, first)).sum())
        return right / len(test.labels)


def _labels(labels: object, first: int) -> torch.Tensor:
    return torch.as_tensor(labels[first : first + 250])  # type: ignore[index]


def _cosine(progress: float, warmup: float) -> float:
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
