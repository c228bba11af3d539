"""Shuffle the patches: does the order of the pieces matter?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from einops import rearrange

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "shuffle",
    "Shuffle the patches",
    "Cut the picture into pieces and shuffle them. How much does each model still recognise?",
    axis="pieces along a side",
    levels=(1, 2, 4, 8),
    expected=(
        "A ResNet looks at neighbourhoods and keeps what fits into a piece. A ViT knows places by its position "
        "embeddings alone: without them its answer cannot change, as long as pieces are whole patches."
    ),
    order=1,
)
def shuffled(subject: Subject, level: float) -> Tensor:
    """Each picture's level x level pieces in an order of its own; what does not divide stays at the edge."""
    import torch

    x, side = subject.images.clone(), int(level)
    piece = x.shape[-1] // side
    inner = rearrange(x[..., : side * piece, : side * piece], "b c (r p) (s q) -> b (r s) c p q", r=side, s=side)
    draw = subject.draw()
    order = torch.stack([torch.randperm(side * side, generator=draw) for _ in range(len(x))]).to(x.device)
    moved = inner[torch.arange(len(x), device=x.device)[:, None], order]
    x[..., : side * piece, : side * piece] = rearrange(moved, "b (r s) c p q -> b c (r p) (s q)", r=side)
    return x
