"""Shift the picture by a few pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "shift",
    "Shift",
    "Move the picture to the right by a few pixels, the edge repeated. Who notices?",
    axis="pixels, of 32",
    levels=tuple(range(9)),
    expected=(
        "A convolution gives the same features, moved; only strides and the border disturb that. A ViT cuts new "
        "patches at every shift but by a whole patch, and knows each place by heart, unless it was trained on shifts."
    ),
    order=3,
)
def shifted(subject: Subject, level: float) -> Tensor:
    """By whole pixels of the model's picture; the left edge is repeated."""
    import torch

    x, by = subject.images, round(level * subject.scale)
    return torch.cat([x[..., :1].expand(*x.shape[:-1], by), x[..., : x.shape[-1] - by]], dim=-1)
