"""The architectures of papers and tutorials: their parameters as published or counted by hand, their logits."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

import vit_explore as vx
from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.results import places_of
from vit_explore.models import create_model, summarise


def parameters(architecture: str, **settings: Any) -> int:
    return summarise(ModelConfig(architecture=architecture, **settings)).params


PUBLISHED = [  # the torchvision documentation's table of weights (num_params)
    ("alexnet", 61_100_840),
    ("resnet18", 11_689_512),
    ("resnet34", 21_797_672),
    ("resnet50", 25_557_032),
    ("resnet101", 44_549_160),
    ("resnet152", 60_192_808),
]


@pytest.mark.parametrize(("name", "published"), PUBLISHED)
def test_parameters_at_imagenets_size(name: str, published: int) -> None:
    assert parameters(name, image_size=224, num_classes=1000) == published
    with torch.device("meta"):
        assert sum(p.numel() for p in getattr(torchvision.models, name)().parameters()) == published


# ------------------------------------------------------------------ AlexNet


def test_alexnets_parameters_by_hand() -> None:
    def layer(inside: int, outside: int, kernel: int = 1) -> int:
        return inside * outside * kernel**2 + outside

    convolutions = layer(3, 64, 11) + layer(64, 192, 5) + layer(192, 384, 3) + layer(384, 256, 3) + layer(256, 256, 3)
    dense = layer(256 * 6 * 6, 4096) + layer(4096, 4096) + layer(4096, 10)
    for size in (64, 224):
        assert parameters("alexnet", image_size=size, num_classes=10) == convolutions + dense == 57_044_810


def test_alexnet_takes_torchvisions_weights_and_gives_its_logits() -> None:
    theirs = torchvision.models.alexnet(num_classes=10).eval()
    ours = create_model(ModelConfig(architecture="alexnet", image_size=64)).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 96, 80)
    torch.testing.assert_close(ours(x), theirs(x))


def test_alexnet_says_what_is_too_small() -> None:
    with pytest.raises(BadConfig, match=r"nothing of pictures of 62 px; it takes 63 px or more") as caught:
        ModelConfig(architecture="alexnet", image_size=62)
    assert caught.value.fields == ("input_size",)
    assert RunConfig().update(model="alexnet", input_size=64).data.image_size == 32
    for size in (64, "64"):  # as the form and as the command line give it
        assert RunConfig().update(model="alexnet", image_size=size).model.image_size == 64
    with pytest.raises(BadConfig, match="63 px or more"):
        RunConfig().update(model="alexnet")
    net = create_model(ModelConfig(architecture="alexnet", image_size=63)).eval()
    assert net(torch.zeros(1, 3, 63, 63)).shape == (1, 10)
    with pytest.raises(BadConfig, match="63 px or more"):
        net(torch.zeros(1, 3, 62, 70))


def test_alexnets_first_layer_is_its_filters() -> None:
    net = create_model(ModelConfig(architecture="alexnet", image_size=64))
    found = vx.explain.filter_components(net)
    assert found.filters.shape == (64, 11, 11, 3)
    assert found.images.shape == (28, 11, 11, 3)
    assert not found.is_projection


# ------------------------------------------------------------------ the small CNN


def test_the_small_cnn_has_its_tutorials_parameters() -> None:
    assert parameters("cnn-small", image_size=32, num_classes=10) == 122_570  # as `model.summary()` prints there


@pytest.mark.parametrize("size", [18, 19, 22, 32, 45])
def test_the_small_cnn_at_other_sizes(size: int) -> None:
    net = create_model(ModelConfig(architecture="cnn-small", image_size=size, num_classes=3))
    assert net(torch.randn(2, 3, size, size)).shape == (2, 3)
    with pytest.raises(BadConfig, match="resize them first"):
        net(torch.randn(2, 3, size + 4, size + 4))


def test_the_small_cnn_says_what_is_too_small() -> None:
    with pytest.raises(BadConfig, match="18 px or more"):
        ModelConfig(architecture="cnn-small", image_size=17)


# ------------------------------------------------------------------ the hybrid


@pytest.mark.parametrize(("size", "patch", "stages"), [(32, 4, 3), (32, 2, 2), (32, 8, 4), (96, 16, 3)])
def test_the_hybrid_is_a_resnet_and_a_vit(size: int, patch: int, stages: int) -> None:
    """Its parameters are those of both, with a projection of channels in place of one of pixels."""
    settings: dict[str, Any] = {"image_size": size, "patch_size": patch, "width": 48, "num_heads": 4}
    slim: Any = create_model(ModelConfig(architecture="resnet-slim", image_size=size))
    before = [slim.conv1, slim.bn1, *(getattr(slim, f"layer{i}") for i in range(1, stages + 1))]
    convolutions = sum(p.numel() for part in before for p in part.parameters())
    channels = [10, 20, 42, 86][stages - 1]
    in_place = 48 * channels - 48 * 3 * patch**2
    assert parameters("hybrid", **settings) == parameters("vit", **settings) + convolutions + in_place


def test_the_hybrids_tokens_are_the_places_of_the_resnets_map() -> None:
    net: Any = create_model(ModelConfig(architecture="hybrid", width=48, pos_embed="none", pool="avg")).eval()
    slim: Any = create_model(ModelConfig(architecture="resnet-slim")).eval()
    slim.load_state_dict(net.patch_embed.backbone.state_dict(), strict=False)
    x = torch.randn(1, 3, 32, 32)
    features = slim.layer3(slim.layer2(slim.layer1(slim.maxpool(slim.act1(slim.bn1(slim.conv1(x)))))))
    tokens = net.patch_embed.proj(features).flatten(2).mT
    torch.testing.assert_close(net.embed(x), tokens)
    assert tokens.shape == (1, 8 * 8, 48)


@pytest.mark.parametrize(("size", "patch", "fits"), [(32, 16, "1, 2, 4, 8"), (224, 2, "4, 8, 16, 32")])
def test_a_hybrid_without_such_a_map_says_which_there_are(size: int, patch: int, fits: str) -> None:
    with pytest.raises(BadConfig, match=f"covers {fits} px; choose one of these") as caught:
        ModelConfig(architecture="hybrid", image_size=size, patch_size=patch)
    assert caught.value.fields == ("patch_size",)


@pytest.mark.parametrize(
    "settings", [{}, {"stem": "conv"}, {"architecture": "hybrid"}, {"architecture": "keras-vit"}], ids=str
)
@pytest.mark.parametrize("size", [9, 20, 36, 67, 96, 224, 256, 384, 509])
def test_a_patch_size_that_is_recommended_is_possible_and_no_other_is(settings: dict[str, Any], size: int) -> None:
    possible, recommended = set(), list[set[int]]()
    for patch in range(1, 65):
        try:
            ModelConfig(image_size=size, patch_size=patch, **settings)
            possible.add(patch)
        except BadConfig as error:
            if patch <= 32 and (sizes := re.search(r"(one of|px a place of .* covers) ([\d, ]+)", str(error))):
                recommended.append({int(number) for number in sizes[2].split(", ")})
    assert all(sizes == possible for sizes in recommended)
    assert recommended or (not possible and settings == {"architecture": "hybrid"})


def test_a_hybrid_that_no_patch_fits_says_so() -> None:
    with pytest.raises(BadConfig, match="none of these divides the image size 67; choose one that is a multiple of 4"):
        ModelConfig(architecture="hybrid", image_size=67, patch_size=4)


# ------------------------------------------------------------------ Keras' ViT

TUTORIAL: dict[str, Any] = {"image_size": 72, "patch_size": 6, "width": 64, "depth": 8, "num_heads": 4, "dropout": 0.1}


@pytest.mark.parametrize(("classes", "counted"), [(10, 21_666_762), (100, 21_759_012)])
def test_keras_vits_parameters(classes: int, counted: int) -> None:
    """By hand, and as Keras 3.15 counts its own model (7 more there: the mean, variance and count of a layer in front
    that normalises pixels)."""

    def dense(inside: int, outside: int) -> int:
        return inside * outside + outside

    tokens, width, heads = (72 // 6) ** 2, 64, 4 * 64
    block = 2 * 2 * width + 3 * dense(width, heads) + dense(heads, width) + dense(width, 128) + dense(128, width)
    head = dense(tokens * width, 2048) + dense(2048, 1024) + dense(1024, classes)
    by_hand = dense(3 * 6 * 6, width) + tokens * width + 8 * block + 2 * width + head
    assert parameters("keras-vit", num_classes=classes, **TUTORIAL) == by_hand == counted


def test_keras_attention_is_pytorchs_with_wider_heads() -> None:
    """Heads of width D each: the same as PyTorch's attention over H · D numbers, after a projection to so many."""
    net: Any = create_model(ModelConfig(architecture="keras-vit", width=8, depth=1, num_heads=2)).eval()
    attention, x = net.blocks[0].attn, torch.randn(2, 64, 8)
    query, key, value = attention.qkv(x).chunk(3, dim=-1)
    identity = torch.nn.MultiheadAttention(16, 2, bias=False, batch_first=True)
    with torch.no_grad():
        identity.in_proj_weight.copy_(torch.eye(16).repeat(3, 1))
        identity.out_proj.weight.copy_(torch.eye(16))
    mixed, weights = identity(query, key, value, average_attn_weights=False)
    torch.testing.assert_close(attention(x), attention.proj(mixed))
    taps: dict[str, torch.Tensor] = {}
    attention(x, taps)
    torch.testing.assert_close(taps["attn"], weights)


def test_keras_attention_starts_as_glorot_over_its_kernels() -> None:
    """Keras' `compute_fans`: the last two axes are channels, all before them the window of a convolution."""

    def bound(*kernel: int) -> float:
        window = int(np.prod(kernel[:-2]))
        return float((6 / (window * kernel[-2] + window * kernel[-1])) ** 0.5)

    net: Any = create_model(ModelConfig(architecture="keras-vit", **TUTORIAL))
    width, heads = 64, 4
    for layer, kernel in ((net.blocks[0].attn.qkv, (width, heads, width)), (net.blocks[0].attn.proj, (heads, 64, 64))):
        assert float(layer.weight.detach().abs().max()) == pytest.approx(bound(*kernel), rel=0.01)
        assert float(layer.weight.detach().std()) == pytest.approx(bound(*kernel) / 3**0.5, rel=0.03)
        assert not layer.bias.any()


def test_keras_vit_drops_attention_in_both_ways_alike_on_the_average() -> None:
    net: Any = create_model(ModelConfig(architecture="keras-vit", width=8, depth=1, num_heads=2, dropout=0.5)).train()
    attention, x = net.blocks[0].attn, torch.randn(1, 4, 8).expand(4000, -1, -1)
    fused, x_spread = attention(x).mean(0), attention(x).std().detach()
    attention.fused = False
    torch.testing.assert_close(attention(x).mean(0), fused, atol=float(0.1 * x_spread), rtol=0)


def test_keras_vit_reads_each_token_with_weights_of_its_own() -> None:
    config = ModelConfig(architecture="keras-vit", width=16, depth=1, patch_size=8)
    net, x = create_model(config).eval(), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        net.pos_embed.zero_()
    assert not torch.allclose(net(x), net(x.roll(8, dims=3)), atol=1e-4)  # the same patches, in other places
    with pytest.raises(NotApplicable, match=r"reads all tokens at once and cannot read a single one; choose"):
        vx.explain.logit_lens(net, x)
    with pytest.raises(BadConfig, match="resize them"):
        net(torch.randn(1, 3, 40, 40))
    with pytest.raises(BadConfig, match="patch size of 5 does not divide"):
        config.replace(patch_size=5)


# ------------------------------------------------------------------ the paper's three sizes, through timm

SIZES = [("base_patch16", 12, 768, 3072, 12, 86), ("large_patch16", 24, 1024, 4096, 16, 304)]
SIZES += [("huge_patch14", 32, 1280, 5120, 16, 632)]


@pytest.mark.parametrize(("name", "depth", "width", "hidden", "heads", "millions"), SIZES)
def test_the_papers_sizes(name: str, depth: int, width: int, hidden: int, heads: int, millions: int) -> None:
    """Table 1 of the ViT paper; it has 307 million for ViT-Large, and its 24 blocks, counted, have 304."""
    with torch.device("meta"):
        config = ModelConfig(architecture=f"timm:vit_{name}_224", image_size=224, num_classes=1000)
        net: Any = create_model(config)
    block = net.blocks[0]
    assert (len(net.blocks), net.embed_dim, block.mlp.fc1.out_features) == (depth, width, hidden)
    assert block.attn.num_heads == heads
    assert round(sum(p.numel() for p in net.parameters()) / 1e6) == pytest.approx(millions, abs=1)


# ------------------------------------------------------------------ the Visual Transformer

VT: dict[str, Any] = {"architecture": "visual-transformer", "width": 24, "depth": 2, "semantic_tokens": 5}


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_visual_transformers_parameters_by_hand(depth: int, recurrent: bool) -> None:
    """From the equations of sections 3.1 to 3.3: matrices without a bias, one map from C to D and one back."""
    slim: Any = create_model(ModelConfig(architecture="resnet-slim"))
    before = [slim.conv1, slim.bn1, slim.layer1, slim.layer2, slim.layer3]
    convolutions = sum(p.numel() for part in before for p in part.parameters())
    c, d, tokens = 42, 24, 5
    by_filters, by_tokens = c * tokens + c * d, d * c + c * d
    transformer, projector = 4 * d * d, c * c + 2 * d * c
    tokenizers = by_filters + (depth - 1) * (by_tokens if recurrent else by_filters)
    head = d * 10 + 10
    expected = convolutions + tokenizers + depth * transformer + (depth - 1) * projector + head
    assert parameters(**{**VT, "depth": depth}, recurrent=recurrent) == expected


@pytest.mark.parametrize("recurrent", [False, True])
def test_the_visual_transformer_computes_the_papers_equations(recurrent: bool) -> None:
    torch.manual_seed(0)
    net: Any = create_model(ModelConfig(**VT, recurrent=recurrent)).eval()
    images = torch.randn(2, 3, 32, 32)
    taps: dict[str, torch.Tensor] = {}
    logits = net(images, taps)
    weights = {name: value.T for name, value in net.named_parameters() if name.startswith("vt.")}
    x, tokens = net.backbone(images).flatten(2).mT, None
    for i in range(2):
        groups = weights[f"vt.{i}.tokenizer.groups.weight"]
        scores = x @ (tokens @ groups).mT if recurrent and i else x @ groups
        attention = scores.softmax(dim=1)
        torch.testing.assert_close(taps[f"tokens.{i}.attn"].flatten(2).mT, attention)
        tokens = attention.mT @ (x @ weights[f"vt.{i}.tokenizer.value.weight"])
        k, q, f1, f2 = (weights[f"vt.{i}.transformer.{name}.weight"] for name in ("key", "query", "fc1", "fc2"))
        tokens = tokens + ((tokens @ k) @ (tokens @ q).mT / 24**0.5).softmax(-1) @ tokens
        tokens = tokens + (tokens @ f1).clamp(min=0) @ f2
        torch.testing.assert_close(taps[f"tokens.{i}.out"], tokens)
        if i == 0:
            q, k, v = (weights[f"vt.0.projector.{name}.weight"] for name in ("query", "key", "value"))
            x = x + ((x @ q) @ (tokens @ k).mT / 42**0.5).softmax(-1) @ (tokens @ v)
    torch.testing.assert_close(logits, net.head(tokens.mean(1)))


def test_semantic_tokens_do_not_know_where_they_gather() -> None:
    """Without convolutions in between, places in another order give the same tokens, and maps in that order."""
    net: Any = create_model(ModelConfig(**VT)).eval()
    features, order = torch.randn(1, 42, 4, 4), torch.randperm(16)
    shuffled = features.flatten(2)[..., order].unflatten(2, (4, 4))
    taps: dict[str, dict[str, torch.Tensor]] = {"one": {}, "other": {}}
    _, one = net.vt[0](features, None, taps["one"], "t")
    _, other = net.vt[0](shuffled, None, taps["other"], "t")
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(taps["one"]["t.attn"].flatten(2)[..., order], taps["other"]["t.attn"].flatten(2))


def test_semantic_tokens_are_shares_of_the_places() -> None:
    net = create_model(ModelConfig(**VT)).eval()
    found = vx.explain.semantic_tokens(net, torch.randn(3, 3, 48, 32))
    assert found.maps.shape == (3, 2, 5, 12, 8)
    np.testing.assert_allclose(found.maps.sum((-2, -1)), 1, atol=1e-5)
    assert 1 <= places_of(found.maps).min() <= places_of(found.maps).max() <= 12 * 8 + 1e-3
    even, one = np.full((4, 4), 1 / 16), np.eye(16)[3].reshape(4, 4)
    np.testing.assert_allclose(places_of(np.stack([even, one])), [16, 1])
    with pytest.raises(NotApplicable, match="gathers no semantic tokens; choose"):
        vx.explain.semantic_tokens(create_model(ModelConfig(width=16, depth=1)), torch.randn(1, 3, 32, 32))


def test_a_large_image_gets_the_papers_stages() -> None:
    net: Any = create_model(ModelConfig(**VT, image_size=128))
    assert net.backbone(torch.randn(1, 3, 128, 128)).shape == (1, 256, 8, 8)
