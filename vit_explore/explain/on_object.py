"""Do the heads look at the object?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from vit_explore.errors import BadConfig
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.results import AttentionMaps

__all__ = ["attention_on_object", "object_share"]

CARD = Explanation(
    name="attention_on_object",
    title="Attention on the object",
    needs="attention",
    cost="that of the attention maps",
    gives="(L, H)",
    source="the pointing test of Zhang et al. 2018, for shares of attention",
    formula=r"s_{lh} = \frac{\sum_j A^{lh}_{0j}\, m_j}{\sum_j A^{lh}_{0j}}, \quad m_j \text{: share of patch } j",
    what_you_see=(
        "Which share of what each head takes from the patches it takes from the object, whose place is known. The line "
        "is the object's share of the picture: attention that is spread evenly lies there."
    ),
    what_to_look_for="Some heads of late layers lie far above the line; others below it look at the background.",
    what_to_beware=(
        "Looking at the object is not using it: see what the head is worth. An edge of the object just outside the "
        "mask counts as background."
    ),
    example=(
        "masks = images[:1, 0].numpy() > 0  # the object, (B, h, w): here what is bright\n"
        "maps = vx.explain.attention_maps(model, images[:1])\n"
        "result = vx.explain.attention_on_object(maps, masks)"
    ),
    figure="vx.plots.attention_on_object(result, masks.mean())",
)


def attention_on_object(maps: AttentionMaps, masks: Any) -> np.ndarray:
    """Share of each head's attention to the patches that falls on the object, (L, H) in [0, 1], mean over the images.

    masks: (B, h, w), true on the object, in whatever resolution, of what the model sees. From the class token, of a
    distilled ViT the mean of that and the distillation token, without one the mean over the patches. Raises BadConfig.
    """
    known = torch.tensor(np.array(masks), dtype=torch.float32)
    if known.ndim != 3 or len(known) != len(maps.weights):
        raise BadConfig(
            f"The masks have shape {tuple(known.shape)}; give one (h, w) for each of {len(maps.weights)} images."
        )
    share = F.adaptive_avg_pool2d(known[:, None], maps.grid).flatten(1).numpy()  # (B, patches)
    n = maps.n_prefix
    rows = maps.weights[:, :, :, maps.read, n:].mean(axis=3)
    on = (rows * share[:, None, None]).sum(axis=-1) / np.maximum(rows.sum(axis=-1), 1e-12)
    return on.mean(axis=0).astype(np.float32)


def object_share(masks: Any) -> float:
    """The object's share of the picture, mean over the images."""
    return float(np.asarray(masks, dtype=np.float64).mean())
