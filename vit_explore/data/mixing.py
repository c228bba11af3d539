"""Mixup, CutMix and random erasing of a normalised batch, on its device; each image draws for itself."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vit_explore.data.augment import put

ERASED_AREA = (0.02, 1 / 3)  # share of the image (Zhong et al. 2020)
ERASED_ASPECT = (0.3, 1 / 0.3)
ATTEMPTS = 10  # to draw a box that fits


def mix(
    x: Tensor, labels: Tensor, classes: int, mixup: float, cutmix: float, numbers: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Images (B, 3, h, w) mixed with those of the batch in reverse order, and their targets (B, classes).

    mixup, cutmix: alphas, of which one may be 0. Mixup takes a share λ ~ Beta(α, α) of the own image (Zhang et al.
    2018), CutMix all but a box of the area 1 - λ (Yun et al. 2019). With both each image draws one of them. A target is
    spread as the pixels are.
    """
    (n, _, h, w), device = x.shape, x.device
    cuts = numbers.random(n) < (0.5 if mixup else 1.0) if cutmix else np.zeros(n, bool)
    share = np.where(cuts, numbers.beta(cutmix or 1, cutmix or 1, n), numbers.beta(mixup or 1, mixup or 1, n))
    sides = np.floor(np.sqrt(1 - share)[:, None] * (h, w)).astype(np.int64)
    corners = numbers.integers((h, w), size=(n, 2)) - sides // 2  # a box may stand out, and is then smaller
    box = _inside(corners, sides, (h, w), device)
    own = put(torch.from_numpy(share).to(x.dtype), device).view(n, 1, 1, 1)
    own = torch.where(put(torch.from_numpy(cuts), device).view(n, 1, 1, 1), (~box).to(x.dtype), own)
    target = F.one_hot(labels, classes).to(x.dtype)
    part = own.mean((2, 3)).clamp(0, 1)
    return torch.lerp(x.flip(0), x, own), torch.lerp(target.flip(0), target, part)


def erase(x: Tensor, probability: float, numbers: np.random.Generator) -> Tensor:
    """Images (B, 3, h, w), each with this probability without a box of random area and aspect, which becomes 0."""
    (n, _, h, w), device = x.shape, x.device
    area = numbers.uniform(*ERASED_AREA, (n, ATTEMPTS)) * h * w
    low, high = map(math.log, ERASED_ASPECT)
    aspect = np.exp(numbers.uniform(low, high, (n, ATTEMPTS)))
    sides = np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=-1).round().astype(np.int64)
    fits = np.all(sides < np.array((h, w)), axis=-1)  # (n, ATTEMPTS)
    sides = sides[np.arange(n), fits.argmax(axis=1)]
    sides[(numbers.random(n) >= probability) | ~fits.any(axis=1)] = 0
    corners = np.floor(numbers.random((n, 2)) * ((h, w) - sides + 1)).astype(np.int64)
    return x.masked_fill(_inside(corners, sides, (h, w), device), 0)


def _inside(corners: np.ndarray, sides: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """Which pixels are in the box of each image, bool (n, 1, h, w); corners and sides (n, 2) are rows and columns."""
    rows, columns = (
        (np.arange(side) >= corners[:, axis, None]) & (np.arange(side) < (corners + sides)[:, axis, None])
        for axis, side in enumerate(size)
    )
    rows, columns = put(torch.from_numpy(rows), device), put(torch.from_numpy(columns), device)
    return rows[:, None, :, None] & columns[:, None, None, :]
