"""Chefer's relevance against gradients had another way, and the logit lens against timm's own intermediates."""

from __future__ import annotations

import warnings
from functools import reduce
from itertools import combinations

import numpy as np
import pytest
import torch
from small_models import make, pictures
from torch import Tensor, nn

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable, VitExploreWarning
from vit_explore.explain.results import has_signal


def by_retained_gradients(net: nn.Module, image: Tensor, target: int, n_prefix: int, class_token: bool) -> np.ndarray:
    """R - I of R = prod (I + S_l), S_l = mean_h relu(grad * A), for one image: the sum of all products of some S_l,
    later ones on the left; with backward() and .grad on an unfused timm model."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: object, out: Tensor) -> None:
        out.retain_grad()
        kept.append(out)

    for block in net.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(keep)
    net(image)[0, target].backward()
    steps = [(a * a.grad).clamp(min=0).mean(dim=1)[0].detach().double().numpy() for a in kept]
    some = [chosen for n in range(1, len(steps) + 1) for chosen in combinations(steps, n)]
    total = sum(reduce(lambda product, step: step @ product, chosen) for chosen in some)
    heads = 2 if hasattr(net, "head_dist") else 1  # each reads a token of its own
    return total[:heads, n_prefix:].mean(axis=0) if class_token else total[n_prefix:, n_prefix:].mean(axis=0)


@pytest.mark.parametrize(("kind", "n_prefix", "class_token"), [
    ("class token", 1, True), ("distilled", 2, True), ("registers, pooled", 4, False), ("not square", 1, True),
])  # fmt: skip
def test_relevance_equals_the_formula(kind: str, n_prefix: int, class_token: bool) -> None:
    images = pictures(kind)
    ours = vx.explain.relevance(make(kind), images, torch.tensor([2, 5]))
    for i, target in enumerate((2, 5)):
        expected = by_retained_gradients(make(kind), images[i : i + 1], target, n_prefix, class_token)
        assert expected.max() > 1e-8
        np.testing.assert_allclose(ours[i].ravel(), expected, rtol=1e-3, atol=1e-5 * expected.max())


@pytest.mark.parametrize("kind", ["pooled", "registers, pooled", "ours, pooled, registers, sincos"])
@pytest.mark.parametrize("size", [1e-6, 1e-12])
def test_a_weak_signal_of_pooled_patches_is_not_lost_beside_the_residual_path(kind: str, size: float) -> None:
    """Against the same in double precision throughout; `size` makes the logits, and so all gradients, small."""
    net, images = make(kind), pictures(kind)
    with torch.no_grad():
        net.head.weight.mul_(size)
    with warnings.catch_warnings(action="error"):
        ours = vx.explain.relevance(net, images, 3)
    twin = make(kind).double()
    with torch.no_grad():
        twin.head.weight.mul_(size)
    if kind.startswith("ours"):
        exact = vx.explain.relevance(twin, images.double(), 3).reshape(2, -1)
    else:
        n_prefix = 4 if "registers" in kind else 0
        exact = np.stack([by_retained_gradients(twin, one[None], 3, n_prefix, False) for one in images.double()])
    ours = ours.reshape(2, -1)
    for mine, wanted in zip(ours, exact, strict=True):
        assert 0 < np.ptp(wanted) < 1e-4 * size / 1e-6
        assert np.corrcoef(mine, wanted)[0, 1] > 0.9999
        np.testing.assert_allclose(mine, wanted, atol=1e-3 * np.ptp(wanted))


def test_a_map_of_nothing_but_rounding_says_so() -> None:
    net, images = make("pooled"), pictures("pooled")
    nn.init.zeros_(net.head.weight)
    with pytest.warns(VitExploreWarning, match="no signal for 2 of 2 images") as caught:
        flat = vx.explain.relevance(net, images, 3)
    assert not flat.any()
    assert caught[0].filename == __file__
    assert not has_signal(np.full((4, 4), 0.5))
    assert not has_signal(0.5 + 1e-7 * np.eye(4))
    assert has_signal(0.5 + 1e-4 * np.eye(4))
    assert not has_signal(0.5 + 1e-3 * np.eye(4), precision=torch.finfo(torch.bfloat16).eps)


def test_relevance_of_our_vit_equals_that_of_its_timm_twin() -> None:
    import timm

    net, images = make("ours"), pictures("ours")
    twin = timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=7,
        depth=2,
        embed_dim=48,
        num_heads=4,
        img_size=32,
        patch_size=4,
        mlp_ratio=2,
    )
    twin.load_state_dict(net.state_dict())
    np.testing.assert_allclose(
        vx.explain.relevance(net, images, 3), vx.explain.relevance(twin, images, 3), rtol=1e-4, atol=1e-7
    )


def test_relevance_agrees_with_finite_differences_of_single_attention_entries() -> None:
    net, images = make("class token").double(), pictures("class token", batch=1).double()
    net.blocks = nn.Sequential(net.blocks[0])  # one layer: the map is mean_h relu(dy/dA * A) in the class row
    attn = net.blocks[0].attn
    weights = vx.explain.attention_maps(net, images).weights[0, 0].astype(np.float64)  # (H, N, N)
    attn.fused_attn = False

    def logit(head: int, patch: int, nudge: float) -> float:
        def add(module: nn.Module, args: object, out: Tensor) -> Tensor:
            out = out.clone()
            out[0, head, 0, patch] += nudge
            return out

        hook = attn.attn_drop.register_forward_hook(add)
        try:
            return float(net(images)[0, 4].detach())
        finally:
            hook.remove()

    ours = vx.explain.relevance(net, images, 4)[0].ravel()
    for patch in (1, 6, 16):
        slopes = [(logit(h, patch, 1e-5) - logit(h, patch, -1e-5)) / 2e-5 for h in range(3)]
        expected = np.mean([max(0.0, s * weights[h, 0, patch]) for h, s in enumerate(slopes)])
        assert ours[patch - 1] == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_target_none_is_the_predicted_class_of_each_image() -> None:
    net, images = make("class token"), pictures("class token", batch=6)
    predicted = net(images).argmax(1)
    assert len(set(predicted.tolist())) > 1
    np.testing.assert_array_equal(vx.explain.relevance(net, images), vx.explain.relevance(net, images, predicted))


@pytest.mark.parametrize("target", [7, -1, 1.5, True, [0, 1, 2], torch.zeros(2, 2, dtype=torch.long)])
def test_a_target_that_no_class_has_is_refused(target: object) -> None:
    with pytest.raises(BadConfig, match="target"):
        vx.explain.relevance(make("class token"), pictures("class token"), target)


# --- logit lens -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["class token", "registers and class token", "deit3", "not square", "ours"])
def test_the_class_token_of_the_last_layer_says_what_the_model_says(kind: str) -> None:
    net, images = make(kind), pictures(kind)
    lens = vx.explain.logit_lens(net, images)
    np.testing.assert_allclose(lens.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(lens[:, -1, 0], net(images).softmax(1).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["class token", "registers and class token"])
def test_lens_reads_timms_own_intermediates(kind: str) -> None:
    net, images = make(kind), pictures(kind)
    states = net.forward_intermediates(
        images, norm=True, output_fmt="NLC", intermediates_only=True, return_prefix_tokens=True
    )
    expected = torch.stack([net.head(torch.cat([prefix, patches], 1)).softmax(-1) for patches, prefix in states], 1)
    np.testing.assert_allclose(vx.explain.logit_lens(net, images), expected.detach().numpy(), atol=1e-5)


def test_a_distilled_token_is_read_by_its_own_head() -> None:
    net, images = make("distilled"), pictures("distilled")
    tokens = net.forward_features(images)
    lens = vx.explain.logit_lens(net, images)[:, -1]
    np.testing.assert_allclose(lens[:, 0], net.head(tokens[:, 0]).softmax(-1).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(lens[:, 1], net.head_dist(tokens[:, 1]).softmax(-1).detach().numpy(), atol=1e-5)


def test_the_answer_of_a_distilled_vit_is_the_mean_of_two_tokens() -> None:
    net, images = make("distilled"), pictures("distilled")
    lens = vx.explain.logit_lens(net, images)[:, -1]
    odds = np.exp(np.log(lens[:, :2]).mean(axis=1))
    expected = net(images).softmax(1).detach().numpy()
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), expected, atol=1e-5)
    assert np.abs(lens[:, 0] - expected).max() > 0.01


def test_with_average_pooling_each_patch_is_read_through_the_final_norm() -> None:
    net, images = make("pooled"), pictures("pooled")
    expected = net.head(net.fc_norm(net.forward_features(images))).softmax(-1)
    np.testing.assert_allclose(vx.explain.logit_lens(net, images)[:, -1], expected.detach().numpy(), atol=1e-5)


def test_a_head_that_pools_by_attention_or_is_missing_is_refused() -> None:
    import timm

    settings = {"num_classes": 3, "depth": 1, "embed_dim": 48, "num_heads": 3, "img_size": 32}
    pooled = timm.create_model("vit_base_patch16_siglip_224", **settings)
    with pytest.raises(NotApplicable, match="pools the tokens by attention"):
        vx.explain.logit_lens(pooled, torch.zeros(1, 3, 32, 32))
    headless = timm.create_model("vit_tiny_patch16_224", **{**settings, "num_classes": 0})
    for question in (vx.explain.logit_lens, vx.explain.relevance, vx.explain.grad_cam):
        with pytest.raises(NotApplicable, match="no classification head"):
            question(headless, torch.zeros(1, 3, 32, 32))
