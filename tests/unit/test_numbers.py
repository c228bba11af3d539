"""One weight in numbers multiplies out to the model's attention; attention on the object by masks that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_models import make, pictures

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.results import AttentionMaps

VITS = ["ours", "ours, pooled, registers, sincos", "class token", "distilled", "torchvision", "our hybrid", "naflex"]


@pytest.mark.parametrize("kind", VITS)
def test_the_numbers_multiply_out_to_the_models_attention(kind: str) -> None:
    net, images = make(kind), pictures(kind, 1)
    weights = vx.explain.attention_maps(net, images).weights[0]
    for layer, head, query, key in ((0, 1, 2, 3), (1, 0, 0, 4)):
        found = vx.explain.attention_weight(net, images, layer, head, query, key)
        score = float((found.query.astype(float) * found.key).sum() / math.sqrt(len(found.query)))
        assert found.score == pytest.approx(score, rel=1e-4, abs=1e-5)
        assert found.scores[key] == pytest.approx(found.score)
        row = np.exp(found.scores - found.scores.max())
        assert found.weight == pytest.approx(float(row[key] / row.sum()), rel=1e-4)
        assert found.weight == pytest.approx(float(weights[layer, head, query, key]), abs=1e-5)


def test_what_does_not_multiply_out_is_refused() -> None:
    """A model that changes its queries after they are made."""
    net = make("class token")
    for block in net.blocks:
        block.attn.scale *= 3
    with pytest.raises(NotApplicable, match=r"do not multiply out to its attention.*choose a plain ViT"):
        vx.explain.attention_weight(net, pictures("class token", 1), 0, 0, 0, 1)


def test_a_place_that_is_not_there_is_one_sentence() -> None:
    net, images = make("ours"), pictures("ours", 1)
    with pytest.raises(BadConfig, match="head = 9 is not possible: choose one of 0 to 3"):
        vx.explain.attention_weight(net, images, 0, 9, 0, 1)
    with pytest.raises(BadConfig, match="key = 65 is not possible: choose one of 0 to 64"):
        vx.explain.attention_weight(net, images, 0, 0, 0, 65)
    with pytest.raises(BadConfig, match="2 images were given"):
        vx.explain.attention_weight(net, pictures("ours", 2), 0, 0, 0, 1)
    with pytest.raises(NotApplicable, match="choose"):
        vx.explain.attention_weight(make("our resnet"), pictures("our resnet", 1), 0, 0, 0, 1)


def maps(has_class_token: bool = True) -> AttentionMaps:
    """Two images, a layer of two heads, 2 x 2 patches: head 1 looks at patch 0 alone, head 2 everywhere."""
    n = int(has_class_token)
    weights = np.zeros((2, 1, 2, 4 + n, 4 + n), np.float32)
    weights[:, :, 0, :, n] = 1
    weights[:, :, 1] = 1 / (4 + n)
    return AttentionMaps(weights, (2, 2), n, has_class_token, np.zeros((2, 3)), ("class token",) * n)


@pytest.mark.parametrize("has_class_token", [True, False])
def test_the_share_on_the_object_is_exact_where_the_mask_is_known(has_class_token: bool) -> None:
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :4, :4] = True  # patch 0
    masks[1, :4, :2] = True  # half of patch 0
    found = vx.explain.attention_on_object(maps(has_class_token), masks)
    np.testing.assert_allclose(found, [[0.75, (0.25 + 0.125) / 2]], atol=1e-6)


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadConfig, match=r"masks have shape \(1, 8, 8\); give one \(h, w\) for each of 2 images"):
        vx.explain.attention_on_object(maps(), np.zeros((1, 8, 8)))
