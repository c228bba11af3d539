"""A few images that stand for all classes."""

from __future__ import annotations

import numpy as np


def spread(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` of the labels (n,): the first image of each class, then the second of each, and so on.

    Of more classes than places it takes some, at equal distances, so that no class comes twice.
    """
    classes, inverse = np.unique(labels, return_inverse=True)
    by_class = np.argsort(inverse, kind="stable")
    sizes = np.bincount(inverse, minlength=len(classes))
    turn = np.empty(len(labels), dtype=np.int64)  # 0 for the first image of its class
    turn[by_class] = np.arange(len(labels)) - (sizes.cumsum() - sizes)[inverse[by_class]]
    if len(classes) > count:
        kept = np.linspace(0, len(classes) - 1, count).round().astype(np.int64)
        turn[~np.isin(inverse, kept)] += len(labels)
    return np.lexsort((inverse, turn))[:count]
