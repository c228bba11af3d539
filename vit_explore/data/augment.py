"""Augmentation of a whole batch at once, on the device where the images lie: index arithmetic, no per-image loop."""

from __future__ import annotations

import torch
from torch import Tensor


def take_batch(images: Tensor, index: Tensor, augment: str, generator: torch.Generator) -> Tensor:
    """Images `index` of a uint8 tensor (n, 3, h, w) as a batch (B, 3, h, w), flipped and shifted as `augment` says.

    flip mirrors each image with probability 1/2; crop shifts it by up to an eighth of its side, the edge reflected.
    """
    if augment == "none":
        return images[index]
    n, (h, w), device = len(index), images.shape[-2:], images.device
    flip = torch.rand(n, generator=generator) < 0.5
    reach = (h // 8, w // 8) if augment == "flip+crop" else (0, 0)
    rows = _shifted(h, _shift(n, reach[0], generator))
    cols = _shifted(w, _shift(n, reach[1], generator))
    cols = torch.where(flip[:, None], cols.flip(1), cols)
    rows, cols = put(rows, device), put(cols, device)
    flat = images.view(images.shape[0], 3, h * w)
    pixels = (rows[:, :, None] * w + cols[:, None, :]).view(n, 1, h * w).expand(n, 3, h * w)
    return flat[index].gather(2, pixels).view(n, 3, h, w)


def put(drawn: Tensor, device: torch.device) -> Tensor:
    """What was drawn on the CPU, on the device: without waiting for a GPU to be done with the step before."""
    return drawn.to(device, non_blocking=device.type == "cuda")


def _shift(n: int, reach: int, generator: torch.Generator) -> Tensor:
    return torch.randint(-reach, reach + 1, (n,), generator=generator)


def _shifted(side: int, shift: Tensor) -> Tensor:
    """Pixel indices 0..side-1 moved by `shift`, reflected at the edges: (n, side)."""
    moved = (torch.arange(side) + shift[:, None]).abs()
    return (side - 1) - ((side - 1) - moved).abs()


def to_input(batch: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 (B, 3, h, w) to normalised float32; mean and std are (1, 3, 1, 1), of pixels in [0, 1].

    Features, which are float32 already, stay as they are.
    """
    if batch.is_floating_point():
        return batch
    return batch.float().div_(255).sub_(mean).div_(std)
