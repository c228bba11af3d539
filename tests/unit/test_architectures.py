"""The architectures of papers and tutorials: their parameters as published or counted by hand, their logits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision

import vit_explore as vx
from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadConfig
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
    assert caught.value.fields == ("image_size",)
    assert RunConfig().update(model="alexnet", image_size=64).model.image_size == 64
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
