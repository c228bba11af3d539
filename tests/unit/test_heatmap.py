"""Any heatmap method by its name: the same map as by its own function, and a refusal where it does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vit_explore as vx
from vit_explore.errors import NotApplicable, UnknownName


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return vx.create_model(vx.ModelConfig(width=32, depth=2, num_heads=2, num_classes=4)).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_a_map_by_name_is_that_of_its_own_function(model: torch.nn.Module, images: torch.Tensor) -> None:
    assert np.allclose(vx.explain.heatmap(model, images, "relevance", 2), vx.explain.relevance(model, images, 2))
    assert np.allclose(vx.explain.heatmap(model, images, "grad_cam"), vx.explain.grad_cam(model, images))
    rollout = vx.explain.attention_rollout(vx.explain.attention_maps(model, images))
    assert np.allclose(vx.explain.heatmap(model, images, "rollout"), rollout)


def test_what_does_not_fit_is_refused_with_what_does(images: torch.Tensor, model: torch.nn.Module) -> None:
    resnet = vx.create_model(vx.ModelConfig(architecture="resnet-slim", num_classes=4)).eval()
    with pytest.raises(NotApplicable, match=r"Attention rollout does not fit this ResNet; choose of .*grad_cam"):
        vx.explain.heatmap(resnet, images, "rollout")
    with pytest.raises(UnknownName, match="did you mean 'rollout'"):
        vx.explain.heatmap(model, images, "rolout")
