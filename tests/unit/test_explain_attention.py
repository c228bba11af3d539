"""Attention and what is computed from it alone: maps, rollout, distance, entropy."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import timm
import torch
from scipy.stats import entropy
from small_models import KINDS, make, pictures
from timm.layers import DiffAttention, set_fused_attn
from timm.models.vision_transformer import DiffParallelScalingBlock, VisionTransformer
from timm.utils import AttentionExtract

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain import room
from vit_explore.explain.results import AttentionMaps

WITH_ATTENTION = [name for name, kind in KINDS.items() if "attention" in kind.fits]


def maps_of(weights: np.ndarray, grid: tuple[int, int], n_prefix: int, has_class_token: bool = True) -> AttentionMaps:
    logits, names = np.zeros((len(weights), 2), np.float32), tuple(f"register {i + 1}" for i in range(n_prefix))
    return AttentionMaps(weights.astype(np.float32), grid, n_prefix, has_class_token, logits, names)


def random_maps(grid: tuple[int, int], n_prefix: int, batch: int = 2, layers: int = 3, heads: int = 2) -> AttentionMaps:
    n = grid[0] * grid[1] + n_prefix
    weights = np.random.default_rng(0).dirichlet(np.full(n, 0.3), size=(batch, layers, heads, n))
    return maps_of(weights, grid, n_prefix, has_class_token=n_prefix > 0)


@pytest.mark.parametrize("kind", WITH_ATTENTION)
def test_maps_belong_to_the_same_pass_as_plain_logits(kind: str) -> None:
    net, images = make(kind), pictures(kind)
    maps = vx.explain.attention_maps(net, images)
    n = maps.grid[0] * maps.grid[1] + maps.n_prefix
    heads = next(m.num_heads for m in net.modules() if hasattr(m, "num_heads"))
    assert maps.weights.shape == (2, 2, heads, n, n)
    assert maps.weights.dtype == np.float32
    np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-5)
    with torch.no_grad():
        np.testing.assert_allclose(maps.logits, net(images).numpy(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "grid", "n_prefix", "reads_class_token"), [
    ("ours", (8, 8), 1, True),
    ("ours, pooled, registers, sincos", (8, 8), 2, False),
    ("not square", (2, 3), 1, True),
    ("patches not square", (4, 3), 1, True),
    ("any size", (3, 5), 1, True),
    ("distilled", (4, 4), 2, True),
    ("registers and class token", (4, 4), 5, True),
    ("registers, pooled", (4, 4), 4, False),
    ("pooled", (4, 4), 0, False),
    ("pooled beside a class token", (4, 4), 1, False),
    ("conv hybrid", (2, 2), 1, True),
])  # fmt: skip
def test_geometry(kind: str, grid: tuple[int, int], n_prefix: int, reads_class_token: bool) -> None:
    maps = vx.explain.attention_maps(make(kind), pictures(kind))
    assert (maps.grid, maps.n_prefix, maps.has_class_token) == (grid, n_prefix, reads_class_token)


def timm_twin(net: torch.nn.Module, **settings: object) -> torch.nn.Module:
    set_fused_attn(False)  # before the model is made, or timm's extractor records nothing
    try:
        twin = timm.create_model(
            "vit_tiny_patch16_224", pretrained=False, num_classes=7, depth=2, embed_dim=48, **settings
        )
    finally:
        set_fused_attn(True)
    twin.load_state_dict(net.state_dict())
    return twin.eval()


@pytest.mark.parametrize(("kind", "settings"), [
    ("class token", {"img_size": 64, "num_heads": 3}),
    ("not square", {"img_size": (32, 48), "num_heads": 3}),
    ("ours", {"img_size": 32, "num_heads": 4, "patch_size": 4, "mlp_ratio": 2}),
])  # fmt: skip
def test_maps_equal_those_of_timms_extractor(kind: str, settings: dict[str, object]) -> None:
    net, images = make(kind), pictures(kind)
    with torch.no_grad():
        reference = AttentionExtract(timm_twin(net, **settings), method="fx")(images)
    reference = torch.stack([v for k, v in reference.items() if k.endswith("softmax")], dim=1)
    np.testing.assert_allclose(vx.explain.attention_maps(net, images).weights, reference.numpy(), atol=1e-5)


@pytest.mark.parametrize(("name", "settings", "reason"), [
    ("resnet18", {}, "no single sequence of patch tokens"),
    ("swin_tiny_patch4_window7_224", {"depths": (1, 1), "embed_dim": 24, "num_heads": (1, 1)}, "small windows"),
    ("cait_xxs24_224", {"depth": 1, "img_size": 64}, "mixes its heads"),
    ("xcit_nano_12_p16_224", {"depth": 1}, "channel by channel"),
    ("convit_tiny", {"depth": 2, "local_up_to_layer": 1, "img_size": 64}, "17 x 17 tokens"),
    ("vit_small_patch16_18x2_224", {"depth": 1, "img_size": 64}, "2 were recorded"),
])  # fmt: skip
def test_what_is_no_patch_by_patch_attention_is_refused(name: str, settings: dict[str, object], reason: str) -> None:
    net = timm.create_model(name, pretrained=False, **settings)
    size = settings.get("img_size", 224)
    with pytest.raises(NotApplicable, match=reason) as caught:
        vx.explain.attention_maps(net, torch.zeros(1, 3, size, size))
    assert "choose" in str(caught.value)


DIFFERENTIAL = {"patch_size": 16, "depth": 2, "embed_dim": 48, "num_heads": 3, "img_size": 64, "num_classes": 7}


@pytest.mark.parametrize("settings", [{"attn_layer": "diff"}, {"block_fn": DiffParallelScalingBlock}])
def test_differential_attention_is_refused_as_what_it_is(settings: dict[str, object]) -> None:
    net, images = VisionTransformer(**DIFFERENTIAL, **settings).eval(), torch.randn(2, 3, 64, 64)
    with pytest.raises(NotApplicable, match=r"A1 - λ A2.*choose"):
        vx.explain.attention_maps(net, images)
    with pytest.raises(NotApplicable, match=r"A1 - λ A2"):
        vx.explain.relevance(net, images)


@pytest.mark.parametrize("name", ["vit_dwee_patch16_reg1_gap_256", "vit_dlittle_patch16_reg1_gap_256"])
def test_timms_differential_models_are_refused(name: str) -> None:
    net = timm.create_model(name, depth=2, embed_dim=64, num_heads=2, img_size=64)
    with pytest.raises(NotApplicable, match=r"A1 - λ A2"):
        vx.explain.attention_maps(net, torch.randn(1, 3, 64, 64))


def test_more_maps_than_heads_are_refused_whatever_the_layer_is_called() -> None:
    class Unheard(DiffAttention):
        pass

    net = VisionTransformer(**DIFFERENTIAL, attn_layer="diff").eval()
    for block in net.blocks:
        block.attn.__class__ = Unheard
    with pytest.raises(NotApplicable, match="6 maps for 3 heads"):
        vx.explain.attention_maps(net, torch.randn(2, 3, 64, 64))


# --- rollout --------------------------------------------------------------------------------------------------------


def slow_rollout(maps: AttentionMaps, fusion: str, ratio: float, start: int) -> np.ndarray:
    """The formula entry by entry, one image at a time."""
    out = []
    for image in maps.weights.astype(np.float64):
        n, p = image.shape[-1], maps.n_prefix
        product = np.eye(n)
        for layer in image[start:]:
            fused = getattr(layer, fusion)(axis=0)
            order = sorted(itertools.product(range(n), range(n)), key=lambda ij: fused[ij])
            for i, j in order[: math.floor(n * n * ratio)]:
                if i >= p and j >= p:
                    fused[i, j] = 0
            step = fused + np.eye(n)
            product = np.array([row / row.sum() for row in step]) @ product
        out.append(product[0, p:] if maps.has_class_token else product[p:, p:].mean(0))
    return np.stack(out).reshape(-1, *maps.grid)


@pytest.mark.parametrize("n_prefix", [0, 1, 3])
@pytest.mark.parametrize(
    ("fusion", "ratio", "start"), [("mean", 0, 0), ("max", 0.5, 0), ("min", 0.9, 1), ("mean", 0.33, 2)]
)
def test_rollout_equals_the_formula(n_prefix: int, fusion: str, ratio: float, start: int) -> None:
    maps = random_maps((2, 3), n_prefix)
    ours = vx.explain.attention_rollout(maps, fusion, ratio, start)
    assert ours.shape == (2, 2, 3)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, slow_rollout(maps, fusion, ratio, start), atol=1e-6)


def test_each_image_of_a_batch_rolls_out_alone() -> None:
    maps = random_maps((3, 3), 1, batch=3)
    together = vx.explain.attention_rollout(maps, "max", 0.7)
    for i in range(3):
        alone = vx.explain.attention_rollout(maps_of(maps.weights[i : i + 1], (3, 3), 1), "max", 0.7)
        np.testing.assert_array_equal(together[i], alone[0])


def test_rollout_follows_a_relay_from_patch_to_patch_to_class_token() -> None:
    # layer 1: patch 2 looks at patch 3; layer 2: the class token looks at patch 2. So patch 3 reaches the class token.
    first, second = np.eye(5), np.eye(5)
    first[2], second[0] = np.eye(5)[3], np.eye(5)[2]
    maps = maps_of(np.stack([first, second])[None, :, None], (2, 2), 1)
    np.testing.assert_allclose(vx.explain.attention_rollout(maps)[0].ravel(), [0, 0.25, 0.25, 0])


def test_prefix_tokens_survive_the_largest_discard() -> None:
    maps = random_maps((2, 2), 1)
    assert (vx.explain.attention_rollout(maps, discard_ratio=0.99) > 0).all()  # the class row is never emptied


@pytest.mark.parametrize("bad", [{"head_fusion": "median"}, {"discard_ratio": 1.0}, {"discard_ratio": -0.1},
                                 {"discard_ratio": float("nan")}, {"start_layer": 3}, {"start_layer": -1}])  # fmt: skip
def test_rollout_refuses_what_is_out_of_bounds(bad: dict[str, object]) -> None:
    with pytest.raises(BadConfig, match=next(iter(bad))):
        vx.explain.attention_rollout(random_maps((2, 2), 1), **bad)


# --- distance and entropy -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renormalise", [False, True])
@pytest.mark.parametrize("n_prefix", [0, 2])
def test_distance_equals_a_plain_loop(n_prefix: int, renormalise: bool) -> None:
    maps = random_maps((2, 4), n_prefix)
    cells = list(itertools.product(range(2), range(4)))
    expected = np.zeros((3, 2))
    for b, layer, head in itertools.product(range(2), range(3), range(2)):
        for i, here in enumerate(cells):
            row = maps.weights[b, layer, head, n_prefix + i, n_prefix:]
            reach = sum(a * 16 * math.dist(here, there) for a, there in zip(row, cells, strict=True))
            expected[layer, head] += reach / (row.sum() if renormalise else 1) / (2 * len(cells))
    ours = vx.explain.attention_distance(maps, 16, renormalise)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_distance_of_known_heads() -> None:
    stay = np.broadcast_to(np.eye(10), (1, 1, 1, 10, 10))
    even = np.full((1, 1, 1, 10, 10), 0.1)
    assert vx.explain.attention_distance(maps_of(stay, (3, 3), 1), 4) == 0
    for renormalise in (False, True):
        maps = maps_of(even, (3, 3), 1)
        line = vx.explain.uniform_attention_distance(maps, 4, renormalise)
        np.testing.assert_allclose(vx.explain.attention_distance(maps, 4, renormalise), line, rtol=1e-6)
    with pytest.raises(BadConfig, match="patch_size"):
        vx.explain.attention_distance(maps_of(even, (3, 3), 1), 0)


def test_distance_knows_patches_that_are_not_square() -> None:
    swap = np.broadcast_to(np.array([[0.0, 1.0], [1.0, 0.0]]), (1, 1, 1, 2, 2))
    assert vx.explain.attention_distance(maps_of(swap, (2, 1), 0, False), (8, 16)) == 8
    assert vx.explain.attention_distance(maps_of(swap, (1, 2), 0, False), (8, 16)) == 16


def test_entropy_equals_scipys() -> None:
    maps = random_maps((2, 3), 1)
    maps.weights[0, 0, 0, 0] = np.eye(7)[2]  # exact zeros count 0
    expected = entropy(maps.weights.astype(np.float64), axis=-1).mean(axis=(0, 3)) / np.log(7)
    np.testing.assert_allclose(vx.explain.attention_entropy(maps), expected, atol=1e-6)


def test_entropy_is_1_for_even_and_0_for_one_hot_attention() -> None:
    weights = np.stack([np.full((5, 5), 0.2), np.eye(5)])[None, None]
    np.testing.assert_allclose(vx.explain.attention_entropy(maps_of(weights, (2, 2), 1)), [[1, 0]], atol=1e-6)


@pytest.mark.parametrize("kind", ["ours", "class token", "torchvision"])
def test_maps_that_do_not_fit_the_memory_are_refused_before_the_pass(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, images = make(kind), pictures(kind, 3)
    size = vx.explain.attention_maps(net, images).weights.nbytes
    relevance = vx.explain.relevance(net, images)
    passes: list[int] = []
    net.register_forward_pre_hook(lambda _, args: passes.append(len(args[0])))
    monkeypatch.setattr(room, "free_memory", lambda _: 2 * size)  # for the maps and their copy, and none to spare
    with pytest.raises(NotApplicable, match=r"3 images, take .* GB of memory, .* GB are free"):
        vx.explain.attention_maps(net, images)
    assert passes == []
    vx.explain.attention_maps(net, images[:1])
    monkeypatch.setattr(room, "free_memory", lambda _: 3 * size)  # enough without gradients
    vx.explain.attention_maps(net, images)
    with pytest.raises(NotApplicable, match="GB"):
        vx.explain.relevance(net, images)
    monkeypatch.setattr(room, "free_memory", lambda _: 6 * size)
    np.testing.assert_array_equal(vx.explain.relevance(net, images), relevance)
    monkeypatch.setattr(room, "free_memory", lambda _: 0)
    with pytest.raises(NotApplicable, match="GB are free"):  # and not that the method does not fit the model
        vx.explain.heatmap(net, images, "rollout")


def test_all_maps_of_a_distilled_vit_are_the_mean_of_the_two_tokens_that_are_read() -> None:
    weights = np.random.default_rng(0).random((2, 1, 3, 8, 8))
    weights /= weights.sum(-1, keepdims=True)
    maps = maps_of(weights, (2, 3), 2)
    distilled = dataclasses.replace(maps, prefix_names=("class token", "distillation token"))
    swapped = weights.copy()
    swapped[..., [0, 1], :] = weights[..., [1, 0], :]  # of one layer: what the second token takes becomes the first's
    masks = np.random.default_rng(1).random((2, 2, 3)) > 0.5
    rollout = vx.explain.attention_rollout(distilled)
    rows = weights.mean(2)[:, 0, :2, 2:].mean(1)  # with the residual path, half of the attention
    np.testing.assert_allclose(rollout.reshape(2, -1), rows / 2, atol=1e-6)
    other = dataclasses.replace(distilled, weights=swapped.astype(np.float32))
    for one, two in (
        (rollout, vx.explain.attention_rollout(other)),
        (vx.explain.attention_on_object(distilled, masks), vx.explain.attention_on_object(other, masks)),
    ):
        np.testing.assert_allclose(one, two, atol=1e-6)
    net, images = make("distilled"), pictures("distilled")
    last = vx.explain.attention_maps(net, images).weights[:, -1].mean(1)
    found = vx.explain.heatmap(net, images, "attention").reshape(2, -1)
    np.testing.assert_allclose(found, (last[:, 0, 2:] + last[:, 1, 2:]) / 2, atol=1e-6)
