"""What is a head worth?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import geometry_of
from vit_explore.explain.heads import head_counts, silenced
from vit_explore.explain.inputs import check_alone, module_of, ready_images, ready_labels
from vit_explore.explain.states import plain_pass

__all__ = ["head_ablation", "head_ablation_steps"]

CARD = Explanation(
    name="head_ablation",
    title="What a head is worth",
    needs="attention",
    cost="a forward pass of all images for each head, and one more",
    gives="(L, H)",
    source="Michel, Levy & Neubig 2019, Are Sixteen Heads Really Better than One?",
    formula=r"\Delta_{l,h} = \mathrm{acc} - \mathrm{acc}\bigl(\text{without head } h \text{ of layer } l\bigr)",
    what_you_see=(
        "How much accuracy is lost as one head is switched off: its output is set to 0 before it is projected. "
        "Positive: the model needs it. Negative: it does better without."
    ),
    what_to_look_for="Most heads can go one at a time with little loss. Which cannot, and in which layer are they?",
    what_to_beware=(
        "Heads stand in for each other: a pair may matter where neither alone does. Zero is an unusual value for "
        "what follows. Over few images a loss of a point is chance."
    ),
    example=(
        "labels = [0] * len(images)  # the true class of each\nresult = vx.explain.head_ablation(model, images, labels)"
    ),
    figure="vx.plots.head_ablation(result)",
)

_BATCH, _PIXELS = 256, 2**21  # images, and pixels in a batch


def head_ablation(model: Any, images: Tensor, labels: Any = None) -> np.ndarray:
    """Accuracy lost, in [-1, 1], as each head alone is switched off, (L, H) (Michel, Levy & Neubig 2019).

    images: normalised (B, 3, h, w). labels: (B,); without them, the share of predictions that change, which the figure
    calls so with `labelled=False`. The model is left as it was. Raises NotApplicable where heads cannot be told apart,
    BadConfig.
    """
    *_, (_, lost) = head_ablation_steps(model, images, labels)
    return lost


def head_ablation_steps(model: Any, images: Tensor, labels: Any = None) -> Iterator[tuple[float, np.ndarray]]:
    """As head_ablation, head by head: (share done, losses so far (L, H), NaN where not known yet)."""
    net = module_of(model)
    images = ready_images(net, images)
    if len(images) > 1:
        check_alone(net)
    geometry_of(net, images)
    counts = head_counts(net)
    lost = np.full((len(counts), max(counts)), np.nan, dtype=np.float32)
    full = _predictions(net, images)
    truth = full if labels is None else ready_labels(labels, len(images)).to(full.device)
    right, done = (full == truth).float().mean(), 0
    for layer, count in enumerate(counts):
        for head in range(count):
            with silenced(net, [(layer, head)]):
                lost[layer, head] = right - (_predictions(net, images) == truth).float().mean()
            done += 1
            yield done / sum(counts), lost.copy()


def _predictions(net: nn.Module, images: Tensor) -> Tensor:
    size = max(16, min(_BATCH, _PIXELS // (images.shape[2] * images.shape[3])))
    with torch.no_grad():
        return torch.cat([plain_pass(net, part).argmax(1) for part in images.split(size)])
