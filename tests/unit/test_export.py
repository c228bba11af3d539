"""Exports: the JSON says all about the weights, and its recipe, executed, gives timm's model with the same logits."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_tools import CLASSES, me, snapshot, started, tiny_config
from torch import nn

from vit_explore import cli
from vit_explore.cards import Card, cards
from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.errors import BadReference, ModelUnavailable
from vit_explore.models import create_model
from vit_explore.runs import references
from vit_explore.runs.export import export, exported
from vit_explore.runs.references import load_model
from vit_explore.runs.store import RunStore

VIT = {"image_size": 16, "patch_size": 4, "width": 32, "depth": 2, "num_heads": 2, "num_classes": 3}


def run_of(config: ModelConfig, steps: tuple[int, ...] = (0,)) -> str:
    """A run with the weights of a fresh model at each step, its BatchNorms with statistics of their own."""
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    store.record(run, started(model=config))
    for step in steps:
        torch.manual_seed(step)
        model = create_model(config).train()
        model(torch.randn(8, 3, config.image_size, config.image_size))
        state = model.state_dict()
        weights = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
        store.record(run, dataclasses.replace(snapshot(step), weights=weights))
    return run


def by_recipe(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The model that the recipe makes, executed where the weights lie."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(text, names)
    assert len(names["mean"]) == len(names["std"]) == 3
    return names["model"]


@pytest.mark.parametrize(
    "config",
    [
        VIT,
        {**VIT, "pool": "avg"},
        {**VIT, "num_registers": 3},
        {**VIT, "num_registers": 2, "pool": "avg"},
        {**VIT, "pos_embed": "none"},
        {**VIT, "pos_embed": "sincos2d"},
        {**VIT, "pos_embed": "sincos2d", "pool": "avg", "num_registers": 1},
        {**VIT, "stem": "conv"},
        {**VIT, "stem": "conv", "patch_size": 8, "pool": "avg"},
        {**VIT, "mlp_ratio": 1.5},
        {**VIT, "mlp": "local"},
        {**VIT, "mlp": "local", "stem": "conv", "pool": "avg", "num_registers": 2},
        {**VIT, "architecture": "hybrid", "mlp": "local"},
        {"architecture": "resnet-slim", "num_classes": 3},
        {"architecture": "resnet18", "num_classes": 3, "image_size": 80},
        {**VIT, "architecture": "hybrid"},
        {**VIT, "architecture": "hybrid", "image_size": 80, "patch_size": 16, "pool": "avg"},
        {"architecture": "timm:test_vit", "num_classes": 3, "image_size": 64},
        {"architecture": "timm:test_resnet", "num_classes": 3, "image_size": 64},
    ],
    ids=lambda c: " ".join(f"{k}={v}" for k, v in c.items() if VIT.get(k) != v),
)
def test_the_recipe_gives_timms_model_with_the_same_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    run = run_of(ModelConfig(**config))
    _, path = export(run, tmp_path / "mine")
    model = by_recipe(json.loads(path.read_text())["timm_recipe"], tmp_path, monkeypatch)
    assert type(model).__module__.startswith("timm.")
    assert not model.training
    loaded = load_model(f"run:{run}")
    x = torch.randn(4, 3, loaded.image_size, loaded.image_size)
    with torch.no_grad():
        expected = loaded.model(x)
        assert expected.std() > 0
        torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=0)


def test_what_timm_has_no_model_for_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tiny(nn.Module):
        def __init__(self, config: ModelConfig) -> None:
            super().__init__()
            self.head = nn.Linear(3 * config.image_size**2, config.num_classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.flatten(1))

    assert "vit" in cards
    own = Card("tiny-own", "Tiny", "", "A thing of one's own.", "", Tiny)
    monkeypatch.setitem(cards._members, "tiny-own", own)
    _, path = export(run_of(ModelConfig(architecture="tiny-own", image_size=8, num_classes=3)), tmp_path / "own")
    card = json.loads(path.read_text())
    assert card["timm_recipe"] is None
    assert card["timm_note"].startswith("timm cannot load these weights: it has no model of the form of tiny-own")


def test_the_json_says_what_the_weights_are(tmp_path: Path) -> None:
    run = run_of(ModelConfig(**VIT))
    _, path = export(run, tmp_path / "mine.json")
    card = json.loads(path.read_text())
    assert isinstance(card["version"], int)
    assert ModelConfig(**card["config"]) == ModelConfig(**VIT)
    assert (card["classes"], card["mean"], card["std"]) == (list(CLASSES), [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    config = RunStore().get(run).config
    assert (DataConfig(**card["data"]), TrainConfig(**card["train"])) == (config.data, config.train)
    RunConfig(data=card["data"], train=card["train"])
    assert (card["run"], card["step"]) == (run, 0)


def test_any_step_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(ModelConfig(**VIT), (0, 4, 9))
    for ref, step in ((run, 9), (f"{run}@4", 4), (f"run:{run}@0", 0)):
        assert cli.main(["export", ref, "--out", str(tmp_path / f"at{step}")]) == 0
        weights, path = (Path(line) for line in capsys.readouterr().out.split())
        assert json.loads(path.read_text())["step"] == step
        assert weights.read_bytes() == RunStore().snapshot_path(run, step).read_bytes()
        model = by_recipe(json.loads(path.read_text())["timm_recipe"], tmp_path, monkeypatch)
        expected = load_model(f"run:{run}@{step}").model.head.weight
        assert torch.equal(model.head.weight, expected)
    assert cli.main(["export", f"{run}@5", "--out", str(tmp_path / "x")]) == 2
    assert "no snapshot at step 5; it has: 0, 4, 9." in capsys.readouterr().err


def test_any_step_of_a_bundled_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = references.snapshot_steps("bundled:vit-shapes")
    for ref in ("bundled:vit-shapes", f"bundled:vit-shapes@{steps[0]}"):
        _, path = export(ref, tmp_path / "shapes", force=True)
        card, loaded = json.loads(path.read_text()), load_model(ref)
        model = by_recipe(card["timm_recipe"], tmp_path, monkeypatch)
        x = loaded.preprocess(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
        with torch.no_grad():
            torch.testing.assert_close(model(x), loaded.model(x), atol=1e-5, rtol=0)
    assert (card["step"], card["test_top1"]) == (steps[0], None)


# ------------------------------------------------------------------ what is refused


@pytest.fixture
def run() -> str:
    return run_of(ModelConfig(**VIT))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["export", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_files_that_are_there_are_kept_unless_forced(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "w")
    for name in ("w.safetensors", "w.json"):
        (tmp_path / name).write_text("mine")
        assert f"{name} is there already" in refused([run, "--out", out], capsys)
        assert [path.read_text() for path in tmp_path.iterdir() if path.is_file()] == ["mine"]
        (tmp_path / name).unlink()
    assert cli.main(["export", run, "--out", out]) == 0
    capsys.readouterr()
    assert "add --force" in refused([run, "--out", out], capsys)
    assert cli.main(["export", run, "--out", out, "--force"]) == 0


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_only_ordinary_files_are_written(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], force: list[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "null.safetensors").symlink_to("/dev/null")
    (tmp_path / "folder.json").mkdir()
    for out in ("/dev/null", *(str(tmp_path / name) for name in ("pipe", "pipe.json", "null", "folder"))):
        assert "is no ordinary file" in refused([run, "--out", out, *force], capsys)
    assert (tmp_path / "null.safetensors").is_symlink()


@pytest.mark.parametrize("name", ["a" * 240, "a" * 250, "ä" * 130, "b" * 5000, "c" * 300 + "/x"])
def test_a_name_that_is_too_long_is_a_sentence(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    if name == "a" * 240:  # as long as a name may be, with its ending
        assert cli.main(["export", run, "--out", str(tmp_path / name)]) == 0
        return
    said = refused([run, "--out", str(tmp_path / name)], capsys)
    assert "too long" in said or "There is no folder" in said
    assert list(tmp_path.glob("*.safetensors")) == []


def test_what_a_link_points_to_is_written(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there").mkdir()
    for name in ("mine.safetensors", "mine.json"):
        (tmp_path / name).symlink_to(tmp_path / "there" / name)
    assert cli.main(["export", run, "--out", str(tmp_path / "mine")]) == 0
    assert (tmp_path / "there" / "mine.safetensors").is_file()
    assert (tmp_path / "mine.safetensors").is_symlink()
    capsys.readouterr()
    (tmp_path / "lost.safetensors").symlink_to(tmp_path / "nowhere" / "x")
    assert "There is no folder" in refused([run, "--out", str(tmp_path / "lost")], capsys)


@pytest.mark.parametrize("out", ["/", "", ".safetensors"])
def test_a_place_without_a_name_is_a_sentence(run: str, capsys: pytest.CaptureFixture[str], out: str) -> None:
    assert "names no file" in refused([run, "--out", out], capsys)


def test_a_path_is_printed_without_what_a_terminal_obeys(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", run, "--out", str(tmp_path / "\x1b[31mred")]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_what_cannot_be_exported(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadReference, match="comes from timm already"):
        exported("timm:vit_tiny_patch16_224")
    with pytest.raises(BadReference, match="There is no folder"):
        export(run, tmp_path / "nowhere" / "x")
    with pytest.raises(BadReference, match="is no model reference"):
        exported("no such thing")
    assert "There is no run 'abcd'" in refused(["abcd", "--out", str(tmp_path / "x")], capsys)


def test_damaged_weights_are_not_passed_on(run: str, tmp_path: Path) -> None:
    RunStore().snapshot_path(run, 0).write_bytes(b"")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        export(run, tmp_path / "x")
    assert list(tmp_path.glob("x.*")) == []
