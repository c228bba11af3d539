"""How focused is each head?"""

from __future__ import annotations

import numpy as np

from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.results import AttentionMaps

__all__ = ["attention_entropy"]

CARD = Explanation(
    name="attention_entropy",
    title="Attention entropy",
    needs="attention",
    cost="that of the attention maps",
    gives="(L, H)",
    source="Shannon 1948, applied to the rows of A and divided by its largest value",
    formula=r"H_{lh} = \frac{-\sum_j A^{lh}_{ij} \ln A^{lh}_{ij}}{\ln N}, \quad \text{averaged over } i",
    what_you_see="How spread each head's attention is: 1 is all tokens alike, 0 is a single token.",
    what_to_look_for="An untrained model sits near 1. With training some heads sharpen; which layers do so first?",
    what_to_beware=(
        "Low entropy is focus, not importance: a head that always looks at the class token is very focused and "
        "may do nothing."
    ),
    example="result = vx.explain.attention_entropy(vx.explain.attention_maps(model, images))",
    figure="vx.plots.attention_entropy(result)",
)


def attention_entropy(maps: AttentionMaps) -> np.ndarray:
    """Entropy of each head's attention over ln N, (L, H) in [0, 1], mean over images and query tokens.

    0: each query looks at one token; 1: at all of them alike. Entries that are exactly 0 count 0.
    """
    result = np.empty(maps.weights.shape[1:3], dtype=np.float32)
    for layer in range(len(result)):
        attention = maps.weights[:, layer].astype(np.float64)
        logs = np.log(attention, out=np.zeros_like(attention), where=attention > 0)
        result[layer] = -(attention * logs).sum(axis=-1).mean(axis=(0, 2))
    most = np.log(maps.weights.shape[-1])
    return np.clip(result / np.float32(most), 0, 1) if most > 0 else result
