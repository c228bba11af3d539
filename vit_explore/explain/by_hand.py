"""Attention with numbers that a person can follow: a few tokens, one head, nothing learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["attention_by_hand"]


@dataclass(frozen=True)
class ByHand:
    """Each step of one head over n tokens."""

    products: np.ndarray  # (n, n) q · k
    scores: np.ndarray  # (n, n) divided by sqrt(d)
    weights: np.ndarray  # (n, n) softmax of each row
    out: np.ndarray  # (n, e) the weighted values


def attention_by_hand(queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> ByHand:
    """softmax(Q Kᵀ / sqrt(d)) V of queries, keys (n, d), values (n, e), step by step (Vaswani et al. 2017, eq. 1)."""
    products = np.asarray(queries, float) @ np.asarray(keys, float).T
    scores = products / np.sqrt(np.shape(keys)[1])
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = powers / powers.sum(axis=1, keepdims=True)
    return ByHand(products, scores, weights, weights @ np.asarray(values, float))
