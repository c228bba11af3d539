"""Permute the pixels by one fixed permutation: is it still a picture?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


@changing(
    "permute",
    "Permute the pixels",
    "Move a share of the pixels to other places, the same ones in every picture. What is left?",
    axis="share of the pixels moved",
    levels=(0, 0.1, 0.25, 0.5, 1),
    expected=(
        "Both fall to chance: both were trained on whole pictures, and a patch is a picture, too. Only a model that "
        "was trained on permuted pixels could do better, and a ViT with patches of one pixel would not mind at all."
    ),
    order=2,
)
def permuted(subject: Subject, level: float) -> Tensor:
    """A share of the places, drawn once, changes places among themselves."""
    import torch

    flat = subject.images.flatten(2)
    draw = subject.draw()
    places = torch.randperm(flat.shape[2], generator=draw)[: int(level * flat.shape[2])]
    order = torch.arange(flat.shape[2])
    order[places] = places[torch.randperm(len(places), generator=draw)]
    return flat[:, :, order.to(flat.device)].view_as(subject.images)
