"""Texture or shape: patches of one picture pasted into the silhouette of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from einops import rearrange

from vit_explore.labs.changing import Subject, changing

if TYPE_CHECKING:
    from torch import Tensor


PATCH = 4  # pixels along a side of what is pasted, of 32


@changing(
    "texture",
    "Texture or shape",
    "Fill a growing share of the object's silhouette with patches of an object of another class. Which of the two does "
    "each model name?",
    axis="share of the silhouette filled",
    levels=(0, 0.25, 0.5, 0.75, 1),
    expected=(
        "CNNs trained on ImageNet follow the texture, people the shape (Geirhos et al. 2019), and ViTs lie between "
        "(Naseer et al. 2021). Of drawn shapes only the outline tells the class, so whoever learned them at all should "
        "stay with the silhouette, and lose by the edges within it."
    ),
    order=13,
    needs="masks",
)
def pasted(subject: Subject, level: float) -> Tensor:
    """Within each mask, a share of the patches, drawn once, comes from the object of a partner of another class."""
    import torch

    masks = subject.masks
    assert masks is not None
    if "texture" not in subject.kept:
        partner = _partners(subject)
        subject.kept["other"] = subject.labels[partner]
        subject.kept["texture"] = _texture(subject, partner)
        subject.kept["order"] = torch.rand(masks.shape, generator=subject.draw())
    side = max(1, round(PATCH * subject.scale))
    of_patches = _blocks(subject.kept["order"], side).to(masks.device)
    filled = (masks & (of_patches < level))[:, None]
    return torch.where(filled, subject.kept["texture"], subject.images)


def _partners(subject: Subject) -> Tensor:
    """For each picture the next one, in a drawn order, of another class; itself where there is none."""
    import torch

    order = torch.randperm(len(subject.labels), generator=subject.draw())
    labels = subject.labels.cpu()[order]
    partner = order.clone()
    for shift in range(1, len(order)):
        open_ = partner == order
        other = (labels.roll(-shift) != labels) & open_
        partner[other] = order.roll(-shift)[other]
        if not open_.any():
            break
    back = torch.empty_like(order)
    back[order] = partner
    return back


def _texture(subject: Subject, partner: Tensor) -> Tensor:
    """(n, 3, h, w) all over: patches of the partner's object, those that lie in it most, in a drawn order."""
    import torch

    masks, side = subject.masks, max(1, round(PATCH * subject.scale))
    assert masks is not None
    n, _, h, w = subject.images.shape
    rows, columns = h // side, w // side
    inner = rearrange(
        subject.images[..., : rows * side, : columns * side], "n c (r p) (s q) -> n (r s) c p q", p=side, q=side
    )[partner]
    share = rearrange(
        masks[..., : rows * side, : columns * side].float(), "n (r p) (s q) -> n (r s) (p q)", p=side, q=side
    ).mean(-1)[partner]
    draw, made = subject.draw(), subject.images.clone()
    for i in range(n):
        best = (share[i] >= min(1.0, float(share[i].max()))).nonzero()[:, 0]
        taken = best[torch.randint(len(best), (rows * columns,), generator=draw).to(best.device)]
        tiles = rearrange(inner[i, taken], "(r s) c p q -> c (r p) (s q)", r=rows)
        made[i, :, : rows * side, : columns * side] = tiles
    return made


def _blocks(values: Tensor, side: int) -> Tensor:
    """The same value all over each patch: that of its first pixel."""
    h, w = values.shape[-2:]
    small = values[..., ::side, ::side]
    return small.repeat_interleave(side, -2).repeat_interleave(side, -1)[..., :h, :w]
