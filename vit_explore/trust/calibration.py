"""Is a model as sure as it should be? The reliability diagram and the expected calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np

from vit_explore.errors import BadConfig
from vit_explore.trust.results import Reliability

__all__ = ["reliability"]


def reliability(probs: Any, labels: Any, bins: int = 15) -> Reliability:
    """Accuracy against confidence in equal bins, and the expected calibration error (Guo et al. 2017, eq. 3).

    probs: softmax probabilities (n, C). labels: (n,). Raises BadConfig.
    """
    values, truth = np.asarray(probs, dtype=np.float64), np.asarray(labels)
    if values.ndim != 2 or truth.shape != values.shape[:1] or not len(truth) or bins < 1:
        raise BadConfig(
            f"Probabilities of shape {values.shape}, labels of shape {truth.shape} and {bins} bins do not fit; give "
            "(n, C) and (n,), and at least one of each."
        )
    sure, right = values.max(axis=1), values.argmax(axis=1) == truth
    place = np.minimum((sure * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    full = np.maximum(counts, 1)
    confidence = np.bincount(place, sure, bins) / full
    accuracy = np.bincount(place, right, bins) / full
    error = float((counts * np.abs(accuracy - confidence)).sum() / len(truth))
    return Reliability(np.linspace(0, 1, bins + 1), confidence, accuracy, counts, error)
