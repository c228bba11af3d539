"""Trained weights into a model for other classes and sizes: all but the head, positions as timm resamples them."""

from __future__ import annotations

import pytest
import timm
import torch
from small_models import KINDS, make, pictures
from timm.layers import resample_abs_pos_embed
from torch import nn

import vit_explore as vx
from vit_explore.errors import ModelUnavailable, NotApplicable
from vit_explore.training.transfer import Initial, digest, freeze, head_entries, headless, heads, resampled, transferred


def ours(image_size: int = 32, num_classes: int = 10, **settings: object) -> nn.Module:
    small = {"width": 24, "depth": 2, "num_heads": 3, **settings}
    return vx.create_model(vx.ModelConfig(image_size=image_size, num_classes=num_classes, **small))


def test_everything_but_the_head_is_taken_over_and_the_head_starts_at_zero() -> None:
    source, model = ours(num_classes=10), ours(num_classes=3)
    Initial("a model", "", None, None, source.state_dict()).put_into(model)
    for name, value in model.state_dict().items():
        taken = source.state_dict()[name]
        assert torch.equal(value, torch.zeros_like(value) if name.startswith("head.") else taken), name
    assert torch.equal(model.eval()(torch.randn(2, 3, 32, 32)), torch.zeros(2, 3))


def test_half_precision_weights_are_taken_as_fp32() -> None:
    half = {name: value.half() for name, value in ours().state_dict().items()}
    assert all(value.dtype == torch.float32 for value in transferred(half, ours(), "a model").values())


@pytest.mark.parametrize(("old", "new", "prefix"), [(8, 4, 1), (4, 6, 0), (7, 12, 3), (14, 5, 1)])
def test_positions_are_resampled_as_timm_does_it(old: int, new: int, prefix: int) -> None:
    positions = torch.randn(1, prefix + old * old, 16)
    theirs = resample_abs_pos_embed(positions, [new, new], num_prefix_tokens=prefix)
    torch.testing.assert_close(resampled(positions, (new, new), prefix), theirs)


@pytest.mark.parametrize("settings", [{}, {"pool": "avg"}, {"num_registers": 2}, {"pos_embed": "sincos2d"}])
def test_a_vit_moves_to_another_image_size(settings: dict[str, object]) -> None:
    source, model = ours(32, **settings), ours(48, **settings)
    Initial("a model", "", None, None, source.state_dict()).put_into(model)
    theirs = resample_abs_pos_embed(source.pos_embed, [12, 12], num_prefix_tokens=source.num_prefix_tokens)
    torch.testing.assert_close(model.pos_embed, theirs, check_stride=False)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit3_small_patch16_224", "vit_small_patch14_reg4_dinov2"])
def test_timms_vits_move_to_another_image_size_as_timm_moves_them(name: str) -> None:
    patch = 14 if "14" in name else 16
    source, model = (timm.create_model(name, depth=1, img_size=side * patch, num_classes=5) for side in (6, 4))
    moved = transferred(source.state_dict(), model, name)["pos_embed"]
    prefix = 0 if model.no_embed_class else model.num_prefix_tokens
    torch.testing.assert_close(moved, resample_abs_pos_embed(source.pos_embed, [4, 4], num_prefix_tokens=prefix))


def test_weights_of_another_model_are_refused_in_one_sentence() -> None:
    with pytest.raises(
        ModelUnavailable,
        match=r"The weights of run:1 do not fit the model: their .*; choose the architecture and the input",
    ):
        transferred(ours(width=48).state_dict(), ours(), "run:1")
    weights = ours().state_dict() | {"pos_embed": torch.zeros(1, 1 + 15, 24)}
    with pytest.raises(ModelUnavailable, match="on no square grid"):
        transferred(weights, ours(), "run:1")


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_is_found_in_every_kind_of_model(kind: str) -> None:
    model = make(kind)
    found = heads(model)
    assert len(found) == (2 if kind == "distilled" else 1)
    assert all(head.out_features == 7 for head in found.values())
    assert set(head_entries(model)) <= set(model.state_dict())


@pytest.mark.parametrize("name", ["levit_128s", "crossvit_9_240", "repvit_m0_9"])
def test_all_that_a_model_calls_its_classifier_is_the_head(name: str) -> None:
    with torch.device("meta"):
        model, other = (timm.create_model(name, num_classes=count).state_dict() for count in (7, 5))
        found = heads(timm.create_model(name, num_classes=7))
    differ = {entry for entry in model if model[entry].shape != other[entry].shape}
    assert {f"{layer}.{entry}" for layer in found for entry in ("weight", "bias")} == differ
    assert len(found) == 2


def test_no_layer_within_a_model_is_taken_for_its_head() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Conv2d(4, 3, 1))
    net.get_classifier = lambda: net[1]
    with pytest.raises(NotApplicable, match="no linear layer at its end"):
        heads(net)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "distilled"])
def test_the_head_on_the_features_gives_the_models_logits(kind: str) -> None:
    model, x = make(kind), pictures(kind)
    (head,) = heads(model).values()
    with torch.no_grad():
        with headless(model):
            features = model(x)
        torch.testing.assert_close(head(features.flatten(1)), model(x))


def test_a_head_of_two_parts_is_left_alone_and_put_back_when_something_fails() -> None:
    with pytest.raises(NotApplicable, match="two heads"), headless(make("distilled")):
        pass
    model = make("ours")
    before = list(model.state_dict())
    with pytest.raises(ZeroDivisionError), headless(model):
        raise ZeroDivisionError
    assert list(model.state_dict()) == before


def test_what_is_frozen_wants_no_gradient_and_batchnorm_keeps_its_statistics() -> None:
    model = make("our resnet").train()
    freeze(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(pictures("our resnet", batch=8)).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert {name for name, p in model.named_parameters() if p.grad is not None} == set(head_entries(model))


def test_the_digest_names_the_weights() -> None:
    weights = ours().state_dict()
    assert digest(weights) == digest(dict(reversed(weights.items())))
    assert digest(weights) != digest({**weights, "cls_token": weights["cls_token"] + 1e-3})
    assert digest(weights) != digest({**weights, "pos_embed": weights["cls_token"], "cls_token": weights["pos_embed"]})
