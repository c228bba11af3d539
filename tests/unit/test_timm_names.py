"""The names of timm's models and weights, read as text: against what timm itself lists."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm

from vit_explore.models.timm_models import cached_weights, families, weight_names


def test_the_weights_on_offer_are_timms() -> None:
    offered, real = set(weight_names()), set(timm.list_pretrained())
    assert len(offered & real) / len(real) > 0.95  # a few names are put together by code, and can be typed
    assert all(timm.is_model(name) for name in offered)


def test_every_architecture_has_a_family() -> None:
    assert set(timm.list_models()) <= set(families())
    assert families()["vit_small_patch14_dinov2"] == "vit"
    assert families()["resnet50"] == "resnet"
    assert families()["swin_tiny_patch4_window7_224"] == "swin_transformer"


def test_what_is_cached_is_seen_and_what_was_cut_off_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert cached_weights() == frozenset()
    for name, file in (("vit_a.x", "model.safetensors"), ("vit_b.y", "config.json")):
        folder = tmp_path / f"models--timm--{name}" / "snapshots" / "0123"
        folder.mkdir(parents=True)
        (folder / file).touch()
    broken = tmp_path / "models--timm--vit_c.z" / "snapshots" / "0123"
    broken.mkdir(parents=True)
    (broken / "model.safetensors").symlink_to(tmp_path / "gone")
    assert cached_weights() == {"vit_a.x"}
