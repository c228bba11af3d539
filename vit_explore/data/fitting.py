"""Images at the size that a model takes: resized batch by batch, where they lie, so that no enlarged copy is kept."""

from __future__ import annotations

from dataclasses import dataclass

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
        """uint8 (B, 3, h, h) as it is where nothing is to be done, else whole numbers as float32 (B, 3, side, side).

        Bilinear, antialiased where it shrinks.
        """
        if batch.shape[-1] != self.full:
            size = (self.full, self.full)
            batch = F.interpolate(batch.float(), size, mode="bilinear", antialias=True, align_corners=False)
            batch = batch.round_().clamp_(0, 255)
        start = (self.full - self.side) // 2
        return batch[..., start : start + self.side, start : start + self.side]


def as_is(batch: Tensor) -> Tensor:
    """Images of the model's own size."""
    return batch
