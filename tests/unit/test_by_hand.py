"""Attention by hand gives PyTorch's numbers, and every step of it adds up."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from vit_explore.explain.by_hand import attention_by_hand


def test_it_is_pytorchs_attention() -> None:
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    found = attention_by_hand(q, k, v)
    expected = F.scaled_dot_product_attention(*(torch.tensor(one)[None] for one in (q, k, v)))[0]
    assert np.allclose(found.out, expected.numpy())
    assert np.allclose(found.weights.sum(axis=1), 1)
    assert np.allclose(found.products / np.sqrt(3), found.scores)
    assert np.isfinite(attention_by_hand(1e3 * q, k, v).out).all()
