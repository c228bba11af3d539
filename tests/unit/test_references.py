"""Model references: one string to one model, the same one each time; a wrong string says what would be right."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from run_tools import CLASSES, me, snapshot, started, tiny_config, tiny_dataset, tiny_trainer

from vit_explore.errors import BadReference, ModelUnavailable, RunNotFound
from vit_explore.runs import stored
from vit_explore.runs.export import export
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.references import (
    Reference,
    available_references,
    load_model,
    parse_reference,
    snapshot_steps,
)
from vit_explore.runs.store import RunStore


@pytest.fixture
def run() -> str:
    """A finished tiny run."""
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(epochs=1), claimant)
    with Pulse(store, claimant, registered=False) as pulse:
        train_run(store, store.get(run), pulse, threading.Event(), make_trainer=tiny_trainer)
    return run


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str) -> Path:
    """The run as a bundled model "demo" with one early snapshot."""
    folder = tmp_path / "weights"
    (folder / "demo").mkdir(parents=True)
    export(run, folder / "demo")
    (folder / "demo" / "4.safetensors").write_bytes(RunStore().snapshot_path(run, 4).read_bytes())
    monkeypatch.setattr(stored, "WEIGHTS", folder)
    return folder


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("run:3f2a", Reference("run", "3f2a")),
        ("run:3f2a@1200", Reference("run", "3f2a", 1200)),
        ("bundled:vit-cifar10", Reference("bundled", "vit-cifar10")),
        ("bundled:vit-cifar10@0", Reference("bundled", "vit-cifar10", 0)),
        ("timm:vit_base_patch16_224", Reference("timm", "vit_base_patch16_224")),
        ("timm:vit_base_patch16_224.a@random", Reference("timm", "vit_base_patch16_224.a", None, True)),
    ],
)  # fmt: skip
def test_references_parse_and_print(text: str, parsed: Reference) -> None:
    assert parse_reference(text) == parsed
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    ["", "run", "run:", "run:a b", "3f2a", "run:3f2a@", "run:3f2a@-1", "run:3f2a@x", "run:3f2a@random", "hub:x",
     "bundled:../secret", "timm:vit@12", "run:a@1@2", "javascript:alert(1)"],
)  # fmt: skip
def test_bad_references_list_the_forms(text: str) -> None:
    with pytest.raises(BadReference, match=r"no model reference.*timm:"):
        load_model(text)


def test_a_run_is_loaded_with_its_weights(run: str) -> None:
    store = RunStore()
    loaded = load_model(f"run:{run}")
    assert loaded.ref == f"run:{run}@16"
    assert (loaded.classes, loaded.image_size) == (CLASSES, 8)
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    test, end = tiny_dataset().test, store.finished(run)
    assert end is not None
    batch = torch.cat([loaded.preprocess(image.transpose(1, 2, 0)) for image in test.images])
    predictions = loaded.model(batch).argmax(1).numpy()
    assert (predictions == end.predictions).mean() > 0.9  # the snapshot is fp16


def test_a_step_is_that_step_and_no_other(run: str) -> None:
    first, last = load_model(f"run:{run}@0"), load_model(f"run:{run}@16")
    assert not torch.equal(first.model.head.weight, last.model.head.weight)
    torch.manual_seed(0)
    assert snapshot_steps(f"run:{run}") == [0, 1, 2, 4, 8, 16]
    with pytest.raises(BadReference, match=r"no snapshot at step 5; it has: 0, 1, 2, 4, 8, 16\."):
        load_model(f"run:{run}@5")


def test_loading_leaves_the_random_numbers_alone(run: str) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_model(f"run:{run}")
    assert torch.equal(torch.rand(4), expected)


def test_preprocess_normalises_what_the_model_sees(run: str) -> None:
    loaded = load_model(f"run:{run}")
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    expected = (image / 255 - loaded.mean) / np.array(loaded.std)
    assert loaded.preprocess(image).shape == (1, 3, 8, 8)
    np.testing.assert_allclose(loaded.preprocess(image)[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)
    assert loaded.preprocess(np.zeros((30, 50, 3), np.uint8)).shape == (1, 3, 8, 8)


def test_runs_without_weights_say_so() -> None:
    store = RunStore()
    run = store.create(tiny_config())
    with pytest.raises(BadReference, match="has no snapshot yet"):
        load_model(f"run:{run}")
    with pytest.raises(RunNotFound, match="There is no run 'abcd'"):
        load_model("run:abcd")
    store.delete(run)
    with pytest.raises(RunNotFound, match="was deleted"):
        load_model(f"run:{run}")


def test_weights_that_do_not_fit_are_one_sentence() -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(), claimant)
    store.record_all(run, [started(), snapshot(0)])
    with pytest.raises(ModelUnavailable, match="do not fit its model"):
        load_model(f"run:{run}")
    store.snapshot_path(run, 0).write_bytes(b"cut off")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        load_model(f"run:{run}")


def test_bundled_models_have_steps_too(bundled: Path, run: str) -> None:
    for ref, same in ((f"run:{run}@16", "bundled:demo"), (f"run:{run}@4", "bundled:demo@4")):
        a, b = load_model(ref), load_model(same)
        assert b.ref == same
        assert dataclasses.replace(a, model=None, ref="") == dataclasses.replace(b, model=None, ref="")
        assert all(torch.equal(x, y) for x, y in zip(a.model.parameters(), b.model.parameters(), strict=True))
    assert snapshot_steps("bundled:demo") == [4]
    with pytest.raises(BadReference, match=r"its steps are: 4\."):
        load_model("bundled:demo@5")
    with pytest.raises(BadReference, match=r"there are: demo\."):
        load_model("bundled:other")


def test_pickers_offer_what_can_be_loaded(bundled: Path, run: str) -> None:
    RunStore().create(tiny_config())  # has no weights
    offers = available_references()
    assert [offer.ref for offer in offers] == [f"run:{run}", "bundled:demo"]
    assert offers[0].steps == (0, 1, 2, 4, 8, 16)
    assert [offer.card.name for offer in offers] == ["vit", "vit"]
    for offer in offers:
        load_model(offer.ref)


def test_timm_models_with_random_weights() -> None:
    first, second = load_model("timm:vit_tiny_patch16_224@random"), load_model("timm:vit_tiny_patch16_224@random")
    assert first.image_size == 224
    assert (len(first.classes), first.classes[1]) == (1000, "goldfish, Carassius auratus")
    assert torch.equal(first.model.head.weight, second.model.head.weight)
    assert first.model.head.weight.std() > 0
    assert first.mean == (0.5, 0.5, 0.5)
    assert first.model(first.preprocess(np.zeros((40, 60, 3), np.uint8))).shape == (1, 1000)


def test_timm_models_out_of_reach_suggest_random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="timm:vit_tiny_patch16_224@random"):
        load_model("timm:vit_tiny_patch16_224")
    with pytest.raises(ModelUnavailable, match="publishes no weights"):
        load_model("timm:vit_small_patch16_18x2_224")
    with pytest.raises(BadReference, match="no model named 'vit_tinny_patch16_224'; did you mean vit_tiny_patch16_224"):
        load_model("timm:vit_tinny_patch16_224")
    with pytest.raises(BadReference, match=r"did you mean .*vit_tiny_patch16_224"):
        load_model("timm:vit_tinyy")
