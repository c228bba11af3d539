"""timm's models: each picture is seen as timm's own evaluation shows it, and whatever timm raises is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg
from torch import nn

from vit_explore.config import ModelConfig
from vit_explore.data.images import resize_crop, sample_images
from vit_explore.errors import BadConfig, BadReference, ModelUnavailable, UnknownName, VitExploreError
from vit_explore.models import create_model, summarise
from vit_explore.runs import timm_reference
from vit_explore.runs.loaded import LoadedModel
from vit_explore.runs.references import load_model
from vit_explore.runs.timm_reference import eval_view

SHAPES = ((300, 451), (431, 224), (96, 61), (224, 224))  # wide, tall, smaller than the input, just right


def pictures() -> list[Image.Image]:
    temple = Image.fromarray(sample_images()["drawn star"])
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in SHAPES]
    return [*noise, temple.resize((500, 333))]


def same_as_timm(loaded: LoadedModel, facts: dict[str, Any]) -> None:
    theirs = create_transform(**facts, is_training=False)
    for picture in pictures():
        expected = theirs(picture)[None]
        assert torch.equal(loaded.preprocess(picture), expected)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (loaded.mean, loaded.std))
        pixels = (expected[0] * std + mean).mul(255).round().permute(1, 2, 0).numpy()
        assert np.array_equal(loaded.seen(picture), pixels)  # what a page shows is what the model gets


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "test_resnet.r160_in1k", "test_vit", "resnet18.tv_in1k"])
def test_models_see_what_timm_shows_them(name: str) -> None:
    same_as_timm(load_model(f"timm:{name}@random"), resolve_data_config(model=timm.create_model(name)))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("vit_tiny_patch16_224", ("center", 0.9, "bicubic")),
        ("resnet18.tv_in1k", ("center", 0.875, "bilinear")),
        ("repvgg_d2se.rvgg_in1k", ("center", 1.0, "bilinear")),
        ("volo_d4_448.sail_in1k", ("center", 1.15, "bicubic")),
        ("dm_nfnet_f0.dm_in1k", ("squash", 0.9, "bicubic")),
        ("vit_base_patch16_clip_384.laion2b_ft_in12k_in1k", ("squash", 1.0, "bicubic")),
        ("deepseek_vit_412m", ("border", 1.0, "bicubic")),
    ],
)
def test_every_kind_of_crop_is_timms(name: str, how: tuple[str, float, str]) -> None:
    facts = resolve_data_config(pretrained_cfg=get_pretrained_cfg(name).to_dict())
    assert (facts["crop_mode"], facts["crop_pct"], facts["interpolation"]) == how
    mean, std = tuple(facts["mean"]), tuple(facts["std"])
    view = partial(eval_view, facts)
    same_as_timm(LoadedModel(nn.Identity(), (), facts["input_size"][1], mean, std, "", view), facts)


def test_a_finer_view_is_of_the_same_part() -> None:
    ramp = np.linspace(0, 255, 600).round().astype(np.uint8)
    wide = np.broadcast_to(ramp[None, :, None], (300, 600, 3))
    loaded = load_model("timm:resnet18.tv_in1k@random")
    coarse, fine = (loaded.seen(wide, size).astype(float) for size in (224, 448))
    assert fine.shape == (448, 448, 3)
    assert np.abs(fine.reshape(224, 2, 224, 2, 3).mean((1, 3)) - coarse).max() < 2
    assert coarse[0, 0, 0] - resize_crop(wide, 224)[0, 0, 0] > 5  # the square's rim is cut off


# ------------------------------------------------------------------ sentences


@pytest.mark.parametrize("random", ["", "@random"])
@pytest.mark.parametrize("tag", ["nope", "", ".", "augreg_in21k.x"])
def test_a_tag_that_timm_does_not_have(tag: str, random: str) -> None:
    says = r"vit_tiny_patch16_224 has weights tagged augreg_in21k, augreg_in21k_ft_in1k and none tagged"
    with pytest.raises(BadReference, match=says):
        load_model(f"timm:vit_tiny_patch16_224.{tag}{random}")
    with pytest.raises(UnknownName, match=says):
        create_model(ModelConfig(architecture=f"timm:vit_tiny_patch16_224.{tag}"))


def test_a_tag_of_a_model_without_weights() -> None:
    with pytest.raises(BadReference, match=r"vit_small_patch16_18x2_224 has no weights tagged 'a'; .* leave it out"):
        load_model("timm:vit_small_patch16_18x2_224.a@random")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_small_patch16_18x2_224", "test_vit.r160_in1k"])
def test_the_advice_works(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"use timm:\S+@random") as caught:
        load_model(f"timm:{name}")
    advised = next(word for word in str(caught.value).replace(",", " ").split() if word.startswith("timm:"))
    assert load_model(advised).image_size > 0


class Odd(Exception):
    """Of a kind that nobody foresaw."""


@pytest.mark.parametrize("error", [Odd("no\nway."), RuntimeError("size mismatch"), KeyError("head"), AssertionError()])
@pytest.mark.parametrize(
    ("kind", "call", "argument"),
    [
        (ModelUnavailable, load_model, "timm:test_vit@random"),
        (ModelUnavailable, load_model, "timm:test_vit"),
        (BadConfig, create_model, ModelConfig(architecture="timm:test_vit")),
        (VitExploreError, create_model, ModelConfig(architecture="timm:test_vit", pretrained=True)),
    ],
    ids=["random", "fetched", "made", "made from fetched weights"],
)
def test_whatever_timm_raises_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type, call: Callable[[Any], Any], argument: Any
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(timm, "create_model", fails)
    with pytest.raises(kind, match=type(error).__name__) as caught:
        call(argument)
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(("name", "size"), [("inception_v3", 32), ("halonet_h1", 32), ("crossvit_9_240", 32)])
def test_a_model_that_does_not_take_the_size_says_so_before_it_trains(name: str, size: int) -> None:
    with pytest.raises(BadConfig, match=rf"{size} px images .*; choose another size or model"):
        summarise(ModelConfig(architecture=f"timm:{name}", image_size=size))


@pytest.mark.parametrize("name", ["pit_ti_224", "cait_xxs24_224"])
def test_models_on_which_the_counter_used_to_fail_are_counted(name: str) -> None:
    summary = summarise(ModelConfig(architecture=f"timm:{name}", image_size=32))
    assert summary.flops > 0


def test_a_model_beyond_the_memory_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    free = type("Memory", (), {"available": 3e9})
    monkeypatch.setattr(timm_reference.psutil, "virtual_memory", lambda: free)
    says = r"vit_gigantic_patch14_224 has 1,8\d\d million parameters and takes 7\.\d GB .* 3\.0 GB free; choose a"
    with pytest.raises(ModelUnavailable, match=says) as caught:
        load_model("timm:vit_gigantic_patch14_224@random")
    advised = next(word for word in str(caught.value).split() if word.startswith("timm:")).rstrip(".")
    assert load_model(advised).image_size == 224


def test_a_model_without_a_head_has_no_classes() -> None:
    loaded = load_model("timm:vit_tiny_patch16_224@random")
    headless = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    assert len(loaded.classes) == 1000
    assert timm_reference._classes(headless) == ()


def test_images_of_other_channels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = timm.create_model

    def grey(name: str, **options: Any) -> nn.Module:
        return real(name, in_chans=1, pretrained_cfg_overlay={"input_size": (1, 160, 160)}, **options)

    monkeypatch.setattr(timm, "create_model", grey)
    with pytest.raises(ModelUnavailable, match="takes images of 1 × 160 × 160; choose a model for square RGB images"):
        load_model("timm:test_vit@random")
