"""Draws that follow a seed in one thread, and leave everyone else's alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch
from torch import nn

import vit_explore as vx
from vit_explore.runs.references import load_model
from vit_explore.seeds import drawing

SMALL = "test_vit"  # timm's own


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in net.state_dict().values()])


def our_vit() -> nn.Module:
    return vx.create_model(vx.ModelConfig(width=16, depth=1, num_heads=2))


BUILDS = {
    "vit": our_vit,
    **{
        name: lambda name=name: vx.create_model(vx.ModelConfig(architecture=name))
        for name in ("resnet-slim", "cnn-small", "keras-vit", "report-vit", "visual-transformer", "hybrid")
    },
    **{
        name: lambda name=name: timm.create_model(name, pretrained=False)
        for name in (SMALL, "test_efficientnet", "test_convnext", "test_byobnet", "test_mambaout", "swin_s3_tiny_224")
    },
}


@pytest.mark.parametrize("name", BUILDS)
def test_fresh_weights_are_those_of_the_seed_and_the_global_generator_is_left_alone(name: str) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    expected = weights(BUILDS[name]())
    assert not torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with drawing(7):
        found = weights(BUILDS[name]())
    assert torch.equal(found, expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_fresh_models_are_the_same_while_other_threads_draw() -> None:
    def build(i: int) -> torch.Tensor | None:
        if i % 3 == 1:
            torch.manual_seed(i)
        return weights(our_vit()) if i % 3 else weights(load_model(f"timm:{SMALL}@random").model)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(build, range(30)))[::3]
    assert all(torch.equal(one, found[0]) for one in found)
    with drawing(0):
        assert torch.equal(found[0], weights(timm.create_model(SMALL, pretrained=False)))
