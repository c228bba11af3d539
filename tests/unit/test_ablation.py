"""Heads switched off, against models whose heads' output weights are zero."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from small_models import make, pictures
from torch import nn

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.heads import silenced

VITS = ["ours", "ours, pooled, registers, sincos", "class token", "distilled", "torchvision", "our hybrid"]


def without_output(net: nn.Module, layer: int, head: int) -> nn.Module:
    """A copy in which the weights behind one head are 0."""
    twin = copy.deepcopy(net)
    blocks = [m for m in twin.modules() if hasattr(m, "num_heads") and (hasattr(m, "proj") or hasattr(m, "out_proj"))]
    attention = blocks[layer]
    projection = getattr(attention, "proj", None) or attention.out_proj
    width = projection.in_features // attention.num_heads
    with torch.no_grad():
        projection.weight[:, head * width : (head + 1) * width] = 0
    return twin


@pytest.mark.parametrize("kind", VITS)
def test_a_head_switched_off_is_a_head_whose_output_weights_are_zero(kind: str) -> None:
    net, images = make(kind), pictures(kind, 4)
    plain = vx.explain.attention_maps(net, images)
    for layer, head in ((0, 1), (1, 0)):
        off = vx.explain.attention_maps(net, images, without=[(layer, head)])
        twin = vx.explain.attention_maps(without_output(net, layer, head), images)
        np.testing.assert_allclose(off.logits, twin.logits, atol=1e-5)
        np.testing.assert_allclose(off.weights, twin.weights, atol=1e-5)
        assert np.abs(off.logits - plain.logits).max() > 1e-4
        np.testing.assert_array_equal(off.weights[:, : layer + 1], plain.weights[:, : layer + 1])
    np.testing.assert_array_equal(vx.explain.attention_maps(net, images).logits, plain.logits)


@pytest.mark.parametrize("kind", VITS)
def test_the_accuracy_lost_is_that_of_such_models(kind: str) -> None:
    net, images = make(kind), pictures(kind, 160)
    labels = torch.arange(160) % 7
    lost = vx.explain.head_ablation(net, images, labels)

    def accuracy(model: nn.Module) -> float:
        with torch.no_grad():
            return float((model(images).argmax(1) == labels).float().mean())

    expected = [
        [accuracy(net) - accuracy(without_output(net, layer, head)) for head in range(lost.shape[1])]
        for layer in range(2)
    ]
    np.testing.assert_allclose(lost, expected, atol=1e-6)
    assert lost.any()


def test_without_labels_it_is_the_share_of_predictions_that_change() -> None:
    net, images = make("ours"), pictures("ours", 30)
    lost = vx.explain.head_ablation(net, images)
    assert (lost >= 0).all()
    with torch.no_grad():
        changed = (net(images).argmax(1) != without_output(net, 1, 2)(images).argmax(1)).float().mean()
    assert lost[1, 2] == pytest.approx(float(changed))


def test_it_is_told_head_by_head() -> None:
    from vit_explore.explain import head_ablation_steps

    shares, known = [], []
    for share, lost in head_ablation_steps(make("ours"), pictures("ours", 4)):
        shares.append(share)
        known.append(int((~np.isnan(lost)).sum()))
    assert known == list(range(1, 9))
    assert shares == pytest.approx([i / 8 for i in range(1, 9)])


def test_another_threads_pass_keeps_its_heads() -> None:
    net, images = make("class token"), pictures("class token")
    with torch.no_grad():
        plain = net(images)
        with silenced(net, [(0, 0)]), ThreadPoolExecutor(1) as pool:
            assert torch.equal(pool.submit(lambda: net(images).detach()).result(), plain)
            assert not torch.equal(net(images), plain)
        assert torch.equal(net(images), plain)


def test_a_wrong_head_is_one_sentence() -> None:
    net, images = make("ours"), pictures("ours")
    with pytest.raises(BadConfig, match=r"Heads \[9\] of layer 0 are asked for; this layer's are 0 to 3"):
        vx.explain.attention_maps(net, images, without=[(0, 9)])
    with pytest.raises(BadConfig, match=r"There is no layer 5: this model's attention layers are 0 to 1"):
        vx.explain.attention_maps(net, images, without=[(5, 0)])
    with pytest.raises(NotApplicable, match="choose"):
        vx.explain.head_ablation(make("our resnet"), pictures("our resnet"))
    reported = vx.create_model(vx.ModelConfig(architecture="report-vit")).eval()  # torch's own layers
    with pytest.raises(NotApplicable, match="choose"):
        vx.explain.head_ablation(reported, pictures("ours"))
