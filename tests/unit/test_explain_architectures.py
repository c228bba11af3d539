"""Models that name things otherwise than timm's plain ViT: the same weights in timm's must give the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import timm
import torch
from einops import rearrange
from small_models import CLASSES, make, pictures
from timm.models.pit import PoolingVisionTransformer
from timm.models.twins import Twins
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.geometry import geometry
from vit_explore.explain.results import AttentionMaps
from vit_explore.explain.states import lock_of

SHAPE: dict[str, Any] = {"patch_size": 16, "embed_dim": 48, "depth": 2, "num_heads": 3, "num_classes": CLASSES}
IN_TIMM = {  # torchvision's names in timm's words
    "class_token": "cls_token", "conv_proj": "patch_embed.proj", "encoder.pos_embedding": "pos_embed",
    "encoder.layers.encoder_layer_": "blocks.", "encoder.ln": "norm", "heads.head": "head", "ln_1": "norm1",
    "ln_2": "norm2", "self_attention.in_proj_": "attn.qkv.", "self_attention.out_proj": "attn.proj",
    "mlp.0": "mlp.fc1", "mlp.3": "mlp.fc2",
}  # fmt: skip


def torchvisions_twin(net: nn.Module) -> nn.Module:
    weights = {}
    for name, value in net.state_dict().items():
        for theirs, timms in IN_TIMM.items():
            name = name.replace(theirs, timms)
        weights[name] = value
    twin = VisionTransformer(**SHAPE, mlp_ratio=2, img_size=64)
    twin.load_state_dict(weights)
    return twin.eval()


def naflex_twin(net: nn.Module) -> nn.Module:
    weights = {name.removeprefix("embeds."): value for name, value in net.state_dict().items()}
    weights["patch_embed.proj.weight"] = rearrange(weights.pop("proj.weight"), "d (p q c) -> d c p q", p=16, q=16)
    weights["patch_embed.proj.bias"] = weights.pop("proj.bias")
    weights["pos_embed"] = weights["pos_embed"].flatten(1, 2)
    twin = VisionTransformer(**SHAPE, img_size=64, reg_tokens=2, no_embed_class=True)
    twin.load_state_dict(weights)
    return twin.eval()


Pair = tuple[nn.Module, nn.Module, Tensor]


@pytest.fixture(params=["torchvision", "naflex"], scope="module")
def pair(request: pytest.FixtureRequest) -> Pair:
    """A model, timm's plain ViT with its weights, and images of the size at which no position is resampled."""
    net = make(request.param)
    twin = {"torchvision": torchvisions_twin, "naflex": naflex_twin}[request.param](net)
    return net, twin, torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def same(ours: Any, reference: Any) -> None:
    np.testing.assert_allclose(ours, reference, atol=2e-5, rtol=1e-4)


def test_maps_and_logits_equal_those_of_the_same_weights_in_timm(pair: Pair) -> None:
    net, twin, images = pair
    maps, reference = (vx.explain.attention_maps(n, images) for n in (net, twin))
    same(maps.weights, reference.weights)
    assert np.ptp(maps.weights) > 0.1  # not flat, so that the test can fail
    assert (maps.grid, maps.n_prefix, maps.has_class_token) == (reference.grid, reference.n_prefix, True)
    with torch.no_grad():
        same(maps.logits, net(images).numpy())


@pytest.mark.parametrize("question", ["relevance", "grad_cam", "logit_lens"])
def test_answers_equal_those_of_the_same_weights_in_timm(pair: Pair, question: str) -> None:
    net, twin, images = pair
    arguments = () if question == "logit_lens" else (3,)
    ours, reference = (getattr(vx.explain, question)(n, images, *arguments) for n in (net, twin))
    assert np.ptp(reference) > 0
    same(ours / np.abs(reference).max(), reference / np.abs(reference).max())


def test_positions_and_filters_equal_those_of_the_same_weights_in_timm(pair: Pair) -> None:
    net, twin, _ = pair
    ours, reference = (vx.explain.position_similarity(n) for n in (net, twin))
    same(ours.values, reference.values)
    same(ours.prefix, reference.prefix)
    ours, reference = (vx.explain.filter_components(n) for n in (net, twin))
    same(ours.filters, reference.filters)
    assert ours.is_projection


def test_torchvisions_maps_equal_what_its_own_layer_returns() -> None:
    net, images = make("torchvision"), pictures("torchvision")
    maps = vx.explain.attention_maps(net, images)
    expected = []
    for block in net.encoder.layers:
        block.ln_1.register_forward_hook(
            lambda m, i, x, block=block: expected.append(
                block.self_attention(x, x, x, need_weights=True, average_attn_weights=False)[1]
            )
        )
    with torch.no_grad():
        net(images)
    same(maps.weights, torch.stack(expected, 1).numpy())


def test_torchvisions_layer_is_put_back_also_after_an_error() -> None:
    net, images = make("torchvision"), pictures("torchvision")
    net.heads.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vx.explain.attention_maps(net, images)
    assert not any("forward" in vars(m) for m in net.modules())
    assert lock_of(net).acquire(blocking=False)
    lock_of(net).release()


def test_naflex_takes_any_size_that_divides() -> None:
    net = make("naflex")
    assert vx.explain.attention_maps(net, torch.randn(1, 3, 32, 96)).grid == (2, 6)
    with pytest.raises(BadConfig, match="40 x 64 px do not divide"):
        vx.explain.attention_maps(net, torch.randn(1, 3, 40, 64))
    with pytest.raises(BadConfig, match="takes images of 64 x 64 px, not 32 x 32"):
        vx.explain.attention_maps(make("torchvision"), torch.randn(1, 3, 32, 32))


def test_factorised_positions_are_the_sum_of_rows_and_columns() -> None:
    net = make("naflex, pooled, factorised")
    embed = net.embeds
    table = torch.stack([embed.pos_embed_y[0, r] + embed.pos_embed_x[0, c] for r in range(4) for c in range(4)])
    expected = torch.cosine_similarity(table[:, None], table[None], dim=-1).reshape(4, 4, 4, 4)
    same(vx.explain.position_similarity(net).values, expected.detach().numpy())


def test_filters_of_a_projection_of_flattened_patches_answer_to_their_own_pixels() -> None:
    net = make("naflex")
    lit = torch.zeros(1, 3, 64, 64)
    lit[0, 2, 3, 11] = 1  # in the first patch: the projection gives that pixel's weights
    with torch.no_grad():
        patch = [net.embeds(images)[0][0, geometry(net).n_prefix] for images in (lit, torch.zeros_like(lit))]
    weights = (patch[0] - patch[1]).numpy()
    low, high = (net.embeds.proj.weight.detach().aminmax(dim=1)[i].numpy() for i in (0, 1))
    same(vx.explain.filter_components(net).filters[:, 3, 11, 2], (weights - low) / (high - low))


# --- the names of the tokens before the patches ---------------------------------------------------------------------

REGISTERS = ("register 1", "register 2", "register 3", "register 4")


@pytest.mark.parametrize(("kind", "names"), [
    ("class token", ("class token",)),
    ("distilled", ("class token", "distillation token")),
    ("registers and class token", ("class token", *REGISTERS)),
    ("registers, pooled", REGISTERS),
    ("ours, pooled, registers, sincos", REGISTERS[:2]),
    ("pooled", ()),
    ("naflex", ("class token", *REGISTERS[:2])),
    ("torchvision", ("class token",)),
])  # fmt: skip
def test_the_tokens_before_the_patches_are_called_what_they_are(kind: str, names: tuple[str, ...]) -> None:
    maps: AttentionMaps = vx.explain.attention_maps(make(kind), pictures(kind))
    assert maps.prefix_names == names == geometry(make(kind)).prefix_names
    assert maps.n_prefix == len(names)
    similarity = vx.explain.position_similarity(make(kind))
    assert similarity.prefix_names == names[: len(similarity.prefix)]
    assert len(similarity.prefix_names) == len(similarity.prefix)


def test_each_name_stands_for_its_own_parameter() -> None:
    """A token is found again in the sequence by changing its parameter."""
    for kind in ("distilled", "registers and class token", "naflex"):
        net, images = make(kind), pictures(kind)
        holder = getattr(net, "embeds", net)
        shown: list[Tensor] = []
        net.blocks.register_forward_pre_hook(lambda m, args, shown=shown: shown.append(args[0]))
        net.blocks[0].register_forward_pre_hook(lambda m, args, shown=shown: shown.append(args[0]))
        names = geometry(net).prefix_names
        for parameter, word in (("cls_token", "class"), ("dist_token", "distillation"), ("reg_token", "register")):
            token = getattr(holder, parameter, None)
            if token is None:
                continue
            with torch.no_grad():
                net(images)
                before = shown[-1]
                token.add_(1)
                net(images)
            changed = (shown[-1] - before).abs().amax((0, 2)) > 0.5
            assert [names[i] for i in changed.nonzero().flatten()] == [n for n in names if n.startswith(word)]


# --- advice ---------------------------------------------------------------------------------------------------------

REFUSED: dict[str, Any] = {
    "resnet": lambda: timm.create_model("resnet18", channels=(8, 16, 32, 64)),
    "swin": lambda: timm.create_model(
        "swin_tiny_patch4_window7_224", depths=(1, 1), embed_dim=24, num_heads=(1, 1), img_size=64, window_size=2
    ),
    "pit": lambda: PoolingVisionTransformer(64, 16, 8, "overlap", (16, 16), (1, 1), (1, 1), 2),
    "twins": lambda: Twins(img_size=64, embed_dims=(16, 16, 16, 16), num_heads=(1, 1, 1, 1), depths=(1, 1, 1, 1)),
    "differential": lambda: VisionTransformer(**SHAPE, img_size=64, attn_layer="diff"),
    "no head": lambda: timm.create_model("resnet18", channels=(8, 16, 32, 64), num_classes=0),
    "maps in place of logits": lambda: timm.create_model(
        "resnet18", channels=(8, 16, 32, 64), num_classes=0, global_pool=""
    ),
    "unknown": lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_advised_works(name: str) -> None:
    torch.manual_seed(0)
    net, images = REFUSED[name]().eval(), torch.randn(2, 3, 64, 64)
    for question in (
        lambda: vx.explain.attention_maps(net, images), lambda: vx.explain.relevance(net, images),
    ):  # fmt: skip
        with pytest.raises(NotApplicable, match="choose a plain ViT") as caught:
            question()
        advised = "Grad-CAM" in str(caught.value)
        assert advised is (name in ("resnet", "swin", "differential"))
        if advised:
            assert vx.explain.grad_cam(net, images, 1).shape == (2, 64, 64)
        else:
            with pytest.raises(NotApplicable) as refused:
                vx.explain.grad_cam(net, images, 1)
            assert "Grad-CAM" not in str(refused.value)
            assert "last convolution" not in str(refused.value)
        if "an attribution" in str(caught.value):
            assert vx.explain.attribution(net, images, "saliency", 1).shape == (2, 64, 64)
        else:
            assert name in ("no head", "maps in place of logits")


@pytest.mark.parametrize(("kind", "first", "some"), [
    ("ours", "blocks.1.norm1", ["blocks.0"]),
    ("class token", "blocks.1.norm1", ["blocks.0"]),
    ("pooled", "norm", ["blocks.1", "blocks.0"]),
    ("torchvision", "encoder.layers.encoder_layer_1.ln_1", ["encoder.layers.encoder_layer_0"]),
    ("naflex", "blocks.1.norm1", ["blocks.0"]),
    ("resnet", "layer4", ["layer3", "layer2", "layer1"]),
    ("our resnet", "layer4", ["layer3", "layer2", "layer1"]),
])  # fmt: skip
def test_every_layer_offered_for_grad_cam_works(kind: str, first: str, some: list[str]) -> None:
    net, images = make(kind), pictures(kind)
    names = vx.explain.grad_cam_layers(net)
    assert names[0] == first
    assert [n for n in names[1:] if n in some] == some
    assert names == vx.explain.grad_cam_layers(net, images)
    for name in names:
        assert any(vx.explain.grad_cam(net, images, target, name).any() for target in range(CLASSES))
    np.testing.assert_array_equal(vx.explain.grad_cam(net, images, 1), vx.explain.grad_cam(net, images, 1, first))


def test_a_norm_behind_the_attention_is_not_taken_for_one_before_it() -> None:
    """timm's ResPostBlock: the class token no longer sees the patches of the last block's norms."""
    torch.manual_seed(0)
    net = VisionTransformer(**SHAPE, img_size=64, block_fn=timm.models.vision_transformer.ResPostBlock).eval()
    nn.init.normal_(net.head.weight)
    images = torch.randn(2, 3, 64, 64)
    assert not vx.explain.grad_cam(net, images, 1, "blocks.1.norm1").any()
    assert vx.explain.grad_cam_layers(net)[0] == "blocks.0"
    assert any(vx.explain.grad_cam(net, images, target).any() for target in range(CLASSES))


def test_models_without_a_known_layer_offer_none() -> None:
    assert vx.explain.grad_cam_layers(REFUSED["unknown"]()) == []
    assert vx.explain.grad_cam_layers(REFUSED["pit"]().eval()) == []


def test_a_model_of_timm_is_called_by_its_name() -> None:
    net = timm.create_model("regnety_002")
    with pytest.raises(NotApplicable, match=r"^timm's regnety_002 "):
        vx.explain.attention_maps(net, torch.zeros(1, 3, 64, 64))
