"""Cover a growing share of the picture: at random, from the middle, or where the model looks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vit_explore.labs.changing import PIXELS_OF_GRADIENTS, Subject, batch_size, changing

if TYPE_CHECKING:
    from torch import Tensor


CELLS = 8  # along a side: what is covered at once
LEVELS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEAN = "What is covered becomes the mean colour."


@changing(
    "occlude_random",
    "Cover at random",
    f"Cover a growing share of the picture, piece by piece, at random. {MEAN} Who goes on longer?",
    axis="share covered",
    levels=LEVELS,
    expected=(
        "ViTs were found to bear it better (Naseer et al. 2021): a covered patch is one token among many. A ResNet "
        "spreads the false edges around each hole."
    ),
    order=6,
)
def at_random(subject: Subject, level: float) -> Tensor:
    """The same pieces first at each level."""
    import torch

    draw = subject.draw()
    order = torch.stack([torch.randperm(CELLS * CELLS, generator=draw) for _ in range(len(subject.images))])
    return covered(subject.images, order, level)


@changing(
    "occlude_centre",
    "Cover from the middle",
    f"Cover the picture from the middle outwards. {MEAN} How much do the models read off the background?",
    axis="share covered",
    levels=LEVELS,
    expected="Objects are in the middle: what is left at half the picture covered is mostly background.",
    order=7,
)
def from_the_middle(subject: Subject, level: float) -> Tensor:
    """Pieces by their distance from the middle."""
    import torch

    at = torch.arange(CELLS) - (CELLS - 1) / 2
    distance = (at[:, None] ** 2 + at[None, :] ** 2).flatten()
    return covered(subject.images, distance.argsort(stable=True).expand(len(subject.images), -1), level)


@changing(
    "occlude_looked_at",
    "Cover where it looks first",
    f"Cover what each model looks at most, first. {MEAN} Does it look at what it needs?",
    axis="share covered",
    levels=LEVELS,
    expected=(
        "If a map is right, this falls faster than covering at random. A ViT's map here is its class relevance, a "
        "CNN's its Grad-CAM."
    ),
    order=8,
)
def looked_at(subject: Subject, level: float) -> Tensor:
    """The hottest pieces of the model's own map first."""
    if "order" not in subject.kept:
        subject.kept["order"] = _hottest_first(subject)
    return covered(subject.images, subject.kept["order"], level)


def _hottest_first(subject: Subject) -> Tensor:
    """The pieces of each picture by the model's map of it, (n, CELLS²)."""
    import torch

    from vit_explore.explain.heatmaps import Question, heat_methods, methods_for

    fitting = methods_for(subject.net, subject.images)
    method = heat_methods.get(next(name for name in ("relevance", "grad_cam", "occlusion") if name in fitting))
    orders, size = [], batch_size(subject.images, PIXELS_OF_GRADIENTS, least=2)
    for x, y in zip(subject.images.split(size), subject.labels.split(size), strict=True):
        heats = method.run(Question(subject.net, x, y, torch.zeros_like(x[:1])))
        cells = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(np.asarray(heats, np.float32)), CELLS)
        orders.append(cells.flatten(1).argsort(dim=1, descending=True, stable=True))
    return torch.cat(orders)


def covered(images: Tensor, order: Tensor, level: float) -> Tensor:
    """The first share of each picture's pieces, (n, CELLS²) in the order of `order`, at the mean colour."""
    import torch

    mask = torch.zeros(len(images), CELLS * CELLS)
    mask.scatter_(1, order[:, : round(level * CELLS * CELLS)], 1.0)
    wide = torch.nn.functional.interpolate(mask.view(-1, 1, CELLS, CELLS), size=images.shape[2:], mode="nearest")
    return torch.where(wide.to(images.device) > 0, 0.0, images)
