"""Turning, scaling and filtering pictures in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def warped(images: Tensor, matrix: list[list[float]]) -> Tensor:
    """Pictures (n, 3, h, w) seen through a linear map (2, 2) of places about the middle; the border is repeated."""
    import torch
    import torch.nn.functional as F

    theta = torch.tensor(matrix, dtype=images.dtype, device=images.device)
    theta = torch.cat([theta, torch.zeros(2, 1, dtype=images.dtype, device=images.device)], dim=1)
    grid = F.affine_grid(theta.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def filtered(images: Tensor, keeps: Callable[[Tensor], Tensor]) -> Tensor:
    """Pictures with the frequencies for which `keeps` holds; it gets their radius, 1 for the finest along an axis."""
    import torch

    h, w = images.shape[2:]
    fy, fx = torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)[None, :]
    mask = keeps(2 * torch.sqrt(fy * fy + fx * fx)).to(images.device)
    if bool(mask.all()):
        return images
    spectrum = torch.fft.rfft2(images.float()) * mask
    return torch.fft.irfft2(spectrum, s=(h, w)).to(images.dtype)
