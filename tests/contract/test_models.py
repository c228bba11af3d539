"""Every architecture that has a card keeps the promises of the card and of create_model; so does any timm name."""

from __future__ import annotations

import contextlib
import typing
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import vit_explore as vx
from vit_explore.cards import QUESTIONS, RARE_QUESTIONS, Card, card_of, cards
from vit_explore.config import ModelConfig, TrainConfig
from vit_explore.errors import BadConfig, UnknownName
from vit_explore.models import create_model, summarise
from vit_explore.runs.loaded import LoadedModel
from vit_explore.training.layers import layer_scales
from vit_explore.training.optimizers import make_optimizers
from vit_explore.training.transfer import Initial, freeze, head_entries, headless, heads

NAMES = [*cards.names(), "timm:vit_tiny_patch16_224", "mobilenetv3_small_050"]
DEEP = ("resnet18", "resnet34", "resnet101", "resnet152")  # as resnet-slim and resnet50, with more of the same


def each(names: list[str]) -> list[Any]:
    """The names as parameters of a test; that of a deep net is slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in names]


EACH, OURS = each(NAMES), each(cards.names())
GREY = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


SIZES = (32, 64)  # the first that fits is taken


def small(name: str) -> ModelConfig:
    """Of each architecture what a test can afford."""
    for size in SIZES:
        with contextlib.suppress(BadConfig):
            return ModelConfig(architecture=name, num_classes=4, image_size=size)
    raise AssertionError(f"{name} takes images of none of these sizes: {SIZES}")


def build(name: str) -> tuple[torch.nn.Module, Card]:
    torch.manual_seed(0)
    config = small(name)
    return create_model(config).train(), config.card


def noise(name: str, images: int, share: float = 1.0) -> torch.Tensor:
    side = int(small(name).image_size * share)
    return torch.randn(images, 3, side, side)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_whole(name: str) -> None:
    card = card_of(name)
    assert card.name == name
    assert card.title
    assert card.family
    assert card.about.endswith(".")
    assert card.paper
    assert card.answers <= set(QUESTIONS | RARE_QUESTIONS)
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


@pytest.mark.parametrize("name", EACH)
def test_images_in_logits_out_gradients_back(name: str) -> None:
    model, _ = build(name)
    logits = model(noise(name, 2))
    assert logits.shape == (2, 4)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("name", each([name for name in NAMES if card_of(name).takes_half_size(small(name))]))
def test_half_the_size_in_training_where_the_card_says_so(name: str) -> None:
    assert build(name)[0](noise(name, 2, 0.5)).shape == (2, 4)


@pytest.mark.parametrize("name", each([name for name in NAMES if not card_of(name).is_random(small(name))]))
def test_nothing_is_drawn_in_training_where_the_card_says_so(name: str) -> None:
    model, x = build(name)[0], noise(name, 2)
    before = torch.get_rng_state()
    model(x)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", EACH)
def test_every_parameter_is_in_one_group_and_a_step_lowers_the_loss(name: str) -> None:
    model, card = build(name)
    optimizers = make_optimizers(model, card, TrainConfig(epochs=1, lr=2e-4))
    given = [id(p) for part in optimizers.parts.values() for group in part.param_groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in model.parameters())
    x, y = noise(name, 8), torch.arange(8) % 4

    def loss() -> torch.Tensor:
        torch.manual_seed(1)
        return F.cross_entropy(model(x), y)

    before = loss()
    before.backward()
    optimizers.step()
    assert loss() < before


@pytest.mark.parametrize("name", EACH)
def test_weights_go_from_one_net_to_another(name: str) -> None:
    model, twin = build(name)[0].eval(), create_model(small(name)).eval()
    twin.load_state_dict(model.state_dict())
    x = noise(name, 1)
    assert torch.equal(model(x), twin(x))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.filterwarnings("ignore::vit_explore.errors.VitExploreWarning")
def test_grad_cam_at_each_layer_that_is_offered(name: str) -> None:
    card, loaded = card_of(name), LoadedModel(build(name)[0].eval(), tuple("abcd"), small(name).image_size, *GREY, "")
    if "grad_cam" not in card.answers:
        return
    layers, x = vx.explain.grad_cam_layers(loaded), noise(name, 2)
    torch.testing.assert_close(vx.explain.grad_cam(loaded, x, 1), vx.explain.grad_cam(loaded, x, 1, layers[0]))
    assert len(layers) >= 2
    assert all(vx.explain.grad_cam(loaded, x[:1], 1, layer).shape == (1, *x.shape[2:]) for layer in layers)


@pytest.mark.parametrize("name", OURS)
def test_a_recipe_for_timm_is_given_only_where_timm_loads_the_weights(name: str) -> None:
    model, card = build(name)
    if card.timm_recipe is None:
        return
    names: dict[str, Any] = {}
    exec(card.timm_recipe(small(name)), names)
    names["model"].load_state_dict(model.state_dict())
    x = noise(name, 1)
    torch.testing.assert_close(names["model"].eval()(x), model.eval()(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", EACH)
def test_summary_counts_parameters_without_computing(name: str) -> None:
    config = small(name)
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


@pytest.mark.parametrize("name", EACH)
def test_it_can_be_fine_tuned(name: str) -> None:
    """New classes get a head of zeros, the rest is taken over; features give what the model gives; layers differ."""
    source, _card = build(name)
    config = small(name).replace(num_classes=3)
    model = create_model(config)
    Initial("a model", "", None, None, source.state_dict()).put_into(model)
    assert not model.eval()(noise(name, 2)).any()
    entries = set(head_entries(model))
    own = source.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in model.state_dict().items() if key not in entries)
    freeze(source)
    with torch.no_grad():
        with headless(source):
            features = source(noise(name, 2))
        (head,) = heads(source).values()
        assert head(features).shape == (2, 4)
    scales = layer_scales(model, 0.5)
    trained = dict(model.named_parameters())
    assert scales.keys() == {id(parameter) for parameter in trained.values()}
    assert all(scales[id(trained[key])] == 1.0 for key in entries)
    assert scales[id(next(iter(trained.values())))] <= 0.5
