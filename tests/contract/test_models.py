"""Every architecture that has a card keeps the promises of the card and of create_model; so does any timm name."""

from __future__ import annotations

import typing

import pytest
import torch
import torch.nn.functional as F

from vit_explore.cards import QUESTIONS, Card, card_of, cards
from vit_explore.config import ModelConfig, TrainConfig
from vit_explore.errors import UnknownName
from vit_explore.models import create_model, summarise
from vit_explore.training.optimizers import make_optimizers

NAMES = [*cards.names(), "timm:vit_tiny_patch16_224", "mobilenetv3_small_050"]


def build(name: str) -> tuple[torch.nn.Module, Card]:
    torch.manual_seed(0)
    config = ModelConfig(architecture=name, num_classes=4)
    return create_model(config).train(), config.card


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_whole(name: str) -> None:
    card = card_of(name)
    assert card.name == name
    assert card.title
    assert card.family
    assert card.about.endswith(".")
    assert card.paper
    assert card.answers <= set(QUESTIONS)
    assert set(card.fields) <= set(ModelConfig.model_fields) - {"architecture", "image_size", "num_classes"}


@pytest.mark.parametrize("name", NAMES)
def test_a_knob_is_narrower_than_its_field(name: str) -> None:
    for field, knob in card_of(name).fields.items():
        info = ModelConfig.model_fields[field]
        bounds = {key: getattr(m, key) for m in info.metadata for key in ("ge", "gt", "le", "lt") if hasattr(m, key)}
        assert knob.ge is None or knob.ge >= bounds.get("ge", bounds.get("gt", knob.ge))
        assert knob.le is None or knob.le <= bounds.get("le", bounds.get("lt", knob.le))
        assert set(knob.choices) <= set(typing.get_args(info.annotation))
        assert not knob.choices or info.default in knob.choices


@pytest.mark.parametrize("name", NAMES)
def test_images_in_logits_out_gradients_back(name: str) -> None:
    model, _ = build(name)
    logits = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 4)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if card_of(name).takes_half_size(ModelConfig(architecture=name))]
)
def test_half_the_size_in_training_where_the_card_says_so(name: str) -> None:
    assert build(name)[0](torch.randn(2, 3, 16, 16)).shape == (2, 4)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_in_one_group_and_a_step_lowers_the_loss(name: str) -> None:
    model, card = build(name)
    optimizers = make_optimizers(model, card, TrainConfig(epochs=1, lr=2e-4))
    given = [id(p) for part in optimizers.parts.values() for group in part.param_groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in model.parameters())
    x, y = torch.randn(8, 3, 32, 32), torch.arange(8) % 4

    def loss() -> torch.Tensor:
        torch.manual_seed(1)
        return F.cross_entropy(model(x), y)

    before = loss()
    before.backward()
    optimizers.step()
    assert loss() < before


@pytest.mark.parametrize("name", NAMES)
def test_weights_go_from_one_net_to_another(name: str) -> None:
    model, twin = build(name)[0].eval(), create_model(ModelConfig(architecture=name, num_classes=4)).eval()
    twin.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(model(x), twin(x))


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
