"""Every registered architecture keeps the promises of create_model; so does any timm name."""

from __future__ import annotations

import pytest
import torch

from vit_explore.config import ModelConfig
from vit_explore.errors import UnknownName
from vit_explore.models import architectures, create_model, summarise

NAMES = [*architectures.names(), "timm:vit_tiny_patch16_224", "mobilenetv3_small_050"]


@pytest.mark.parametrize("name", NAMES)
def test_images_in_logits_out_gradients_back(name: str) -> None:
    model = create_model(ModelConfig(architecture=name, num_classes=4)).train()
    logits = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 4)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", NAMES)
def test_summary_counts_parameters_without_computing(name: str) -> None:
    config = ModelConfig(architecture=name, num_classes=4)
    summary = summarise(config)
    assert summary.params == sum(p.numel() for p in create_model(config).parameters())
    assert summary.flops > summary.params / 50


def test_flops_of_the_vit_by_hand() -> None:
    config = ModelConfig(width=64, depth=2, num_heads=2, mlp_ratio=4.0, patch_size=8, num_classes=10)
    n, d = 17, 64
    block = n * d * 3 * d + 2 * n * n * d + n * d * d + 2 * n * d * 4 * d
    assert summarise(config).flops == 2 * (16 * 3 * 64 * d + 2 * block + d * 10)


def test_the_slim_resnet_has_the_default_vits_size() -> None:
    vit, resnet = summarise(ModelConfig()), summarise(ModelConfig(architecture="resnet-slim"))
    assert abs(resnet.params / vit.params - 1) < 0.05


def test_a_large_image_gets_the_usual_stem() -> None:
    model = create_model(ModelConfig(architecture="resnet18", image_size=128))
    assert model.conv1.stride == (2, 2)
    assert create_model(ModelConfig(architecture="resnet18")).conv1.stride == (1, 1)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("vitt", "resnet18, "), ("timm:vit_tiny_patch16_244", "vit_tiny_patch16_224"), ("timm:-", "list_models")],
)
def test_an_unknown_name_says_what_there_is(name: str, hint: str) -> None:
    with pytest.raises(UnknownName, match="named") as caught:
        create_model(ModelConfig(architecture=name))
    assert hint in str(caught.value)
