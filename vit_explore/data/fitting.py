"""Images at the size that a model takes: resized batch by batch, where they lie, so that no enlarged copy is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Fitting:
    """Resizes to `side` / `crop`, and cuts out the `side` pixels around the centre (timm's crop_pct)."""

    side: int
    crop: float = 1.0

    @property
    def full(self) -> int:
        """The side before the cut."""
        return round(self.side / self.crop)

    def __call__(self, batch: Tensor) -> Tensor:
        """uint8 (B, 3, h, h) to uint8 (B, 3, side, side), as they are where nothing is to be done.

        Bilinear, antialiased where it shrinks.
        """
        if batch.shape[-1] != self.full:
            batch = _resized(batch, self.full)
        if self.full == self.side:
            return batch
        start = (self.full - self.side) // 2
        cut = batch[..., start : start + self.side, start : start + self.side]
        return cut.contiguous(memory_format=torch.channels_last)


def _resized(batch: Tensor, side: int) -> Tensor:
    """uint8 (B, 3, h, h) to uint8 (B, 3, side, side): by the CPU's fast kernel, else by way of float32."""
    resize = partial(F.interpolate, size=(side, side), mode="bilinear", antialias=True)
    if batch.device.type == "cpu":
        return resize(batch.contiguous(memory_format=torch.channels_last))
    return resize(batch.float()).round_().clamp_(0, 255).to(torch.uint8)


def as_is(batch: Tensor) -> Tensor:
    """Images of the model's own size."""
    return batch
