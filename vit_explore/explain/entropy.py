"""How focused is each head?"""

from __future__ import annotations

import numpy as np

from vit_explore.explain.results import AttentionMaps


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
