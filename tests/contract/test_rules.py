"""Every optimiser that is registered learns all parameters, lowers a loss, and goes on from its state."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from vit_explore.cards import rules
from vit_explore.config import ModelConfig, TrainConfig
from vit_explore.models import create_model
from vit_explore.training.optimizers import Optimizers, make_optimizers

X, Y = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3


def start(rule: str, architecture: str) -> tuple[torch.nn.Module, Optimizers]:
    torch.manual_seed(0)
    config = ModelConfig(architecture=architecture, num_classes=3, depth=2)
    model = create_model(config)
    return model, make_optimizers(model, config.card, TrainConfig(epochs=1, lr=2e-4, optimizer=rule))


def step(model: torch.nn.Module, optimizers: Optimizers) -> float:
    model.zero_grad()
    loss = F.cross_entropy(model(X), Y)
    loss.backward()
    optimizers.step()
    return loss.item()


@pytest.mark.parametrize("architecture", ["vit", "resnet-slim"])
@pytest.mark.parametrize("rule", rules.names())
def test_an_optimiser_keeps_its_promises(rule: str, architecture: str) -> None:
    assert rules.get(rule).help
    model, optimizers = start(rule, architecture)
    given = [id(p) for part in optimizers.parts.values() for group in part.param_groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in model.parameters())
    assert step(model, optimizers) > step(model, optimizers)

    twin, others = start(rule, architecture)
    twin.load_state_dict(model.state_dict())
    others.load_state_dict(copy.deepcopy(optimizers.state_dict()))
    assert step(model, optimizers) == step(twin, others)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
