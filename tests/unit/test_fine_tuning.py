"""Runs that start from other weights: what they take over, what they leave alone, and how their record holds."""

from __future__ import annotations

import copy
import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from fake_data import write_class_folders
from run_tools import me, tiny_config, tiny_dataset, tiny_trainer
from timm.optim import param_groups_layer_decay
from torch import Tensor

import vit_explore as vx
from vit_explore import cli
from vit_explore.config import RunConfig
from vit_explore.errors import BadConfig, BadReference, ModelUnavailable
from vit_explore.runs.export import export
from vit_explore.runs.initial import find_source, read_initial, resolved
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import Outcome, train_run
from vit_explore.runs.reproduce import reproduce
from vit_explore.runs.store import RunStore
from vit_explore.training import Checkpoint, Finished, Snapshot, Started, Step, Trainer
from vit_explore.training.layers import layer_of, layer_scales
from vit_explore.training.optimizers import make_optimizers
from vit_explore.training.transfer import Initial, digest, head_entries


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def source_of(config: RunConfig, seed: int = 7) -> Initial:
    """Weights of a model like the run's, for other classes, which saw other pixels."""
    torch.manual_seed(seed)
    weights = vx.create_model(config.model.replace(num_classes=5, image_size=8)).state_dict()
    return Initial("run:cafe@3", digest(weights), (0.5, 0.4, 0.3), (0.1, 0.2, 0.3), weights)


def tuned(tune: str = "head", **changes: Any) -> RunConfig:
    return tiny_config(init_from="run:cafe@3", tune=tune, **changes)


def trained(config: RunConfig, **options: Any) -> Trainer:
    """A trainer, at its end."""
    trainer = tiny_trainer(config, initial=source_of(config), **options)
    trainer.told = list(trainer.events())
    return trainer


def is_same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other)


@pytest.mark.parametrize("model", ["vit", "resnet-slim"])
def test_a_linear_probe_moves_the_head_and_not_one_bit_of_the_rest(model: str) -> None:
    config = tuned(model=model, image_size=8, weight_decay=0.5)
    trainer = trained(config)
    assert trainer.step > 20
    head = set(head_entries(trainer.model))
    for name, value in trainer.model.state_dict().items():
        assert is_same(value, source_of(config).weights[name]) != (name in head), name


def test_a_full_fine_tuning_moves_everything() -> None:
    trainer = trained(tuned("all"))
    source = source_of(trainer.config).weights
    assert source is not None
    assert not [
        name for name, value in trainer.model.state_dict().items() if name in source and is_same(value, source[name])
    ]


def test_a_probe_learns_and_its_looks_are_those_of_the_whole_model() -> None:
    trainer = trained(tuned(epochs=30, lr=0.05, warmup_fraction=0))
    finished = trainer.told[-1]
    assert isinstance(finished, Finished)
    assert finished.test_top1 is not None
    assert finished.test_top1 > 0.6
    data = trainer.dataset
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (data.mean, data.std))
    x = (torch.from_numpy(data.test.images).float() / 255 - mean) / std
    assert (trainer.model(x).argmax(1).numpy() == finished.predictions).all()


def test_a_probe_writes_the_frozen_model_ever_more_rarely_and_once_at_its_end() -> None:
    trainer = trained(tuned(epochs=23))
    steps = [event.step for event in trainer.told if isinstance(event, Snapshot)]
    assert trainer.batches.per_epoch < trainer.step
    assert steps == [0, *(2**n for n in range(trainer.step.bit_length())), trainer.step]
    trainer = trained(tuned(epochs=16 / trainer.batches.per_epoch))
    assert [event.step for event in trainer.told if isinstance(event, Snapshot)] == [0, 1, 2, 4, 8, 16]


def test_pixels_are_normalised_as_the_source_saw_them() -> None:
    started = trained(tuned()).told[0]
    assert isinstance(started, Started)
    assert (started.mean, started.std) == ((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))
    assert started.init_digest == source_of(tuned()).digest
    assert started.compiled is False


def test_a_run_never_trains_from_other_weights_than_it_says() -> None:
    with pytest.raises(BadConfig, match="starts from run:cafe@3, which was not read"):
        tiny_trainer(tuned())


def test_a_probe_is_not_augmented_and_its_settings_say_so() -> None:
    train = tiny_config(tune="head", augment="flip", low_res_fraction=0.5, patch_loss=0.3).train
    assert (train.augment, train.low_res_fraction, train.patch_loss) == ("none", 0, 0)


def test_a_probe_goes_on_exactly_where_it_was(store: RunStore) -> None:
    whole = [event.loss for event in trained(tuned()).told if isinstance(event, Step)]
    stops: list[Any] = []
    first = tiny_trainer(
        tuned(), initial=source_of(tuned()), should_stop=lambda: first.step >= 9, skips_test=lambda: True
    )
    for event in first.events():
        if isinstance(event, Checkpoint):
            stops.append({**event.state, "model": {k: v.clone() for k, v in event.state["model"].items()}})
    known = dataclasses.replace(source_of(tuned()), weights=None)
    second = list(tiny_trainer(tuned(), initial=known, state=stops[-1]).events())
    assert [e.loss for e in second if isinstance(e, Step)] == pytest.approx(whole[9:], abs=1e-6)
    assert second[0].mean == (0.5, 0.4, 0.3)  # type: ignore[union-attr]


def test_a_probe_goes_on_in_the_same_precision_on_another_machine() -> None:
    config = tuned(precision="bf16")
    events = tiny_trainer(config, initial=source_of(config), wants_checkpoint=lambda: True).events()
    state = next(copy.deepcopy(event.state) for event in events if isinstance(event, Checkpoint))
    state["settled"]["threads"] += 1
    begun = next(iter(tiny_trainer(config, initial=source_of(config), state=state).events()))
    assert isinstance(begun, Started)
    assert (begun.precision, begun.mixed) == ("fp32", True)


def test_a_stop_while_features_are_computed_is_heard() -> None:
    asked = iter([False] * 2)
    events = trained(tuned(), should_stop=lambda: next(asked, True)).told
    assert isinstance(events[-1], Finished)
    assert events[-1].stopped
    assert not [event for event in events if isinstance(event, Step)]


def test_features_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    for _ in range(2):
        notes.clear()
        trained(tuned(), progress=lambda what, _share: notes.append(what))
    assert not [what for what in notes if what.startswith("Features")]
    trained(tuned(epochs=1), progress=lambda what, _share: notes.append(what))
    assert not [what for what in notes if what.startswith("Features")]
    other = tiny_trainer(tuned(), initial=source_of(tuned(), seed=8), progress=lambda what, _share: notes.append(what))
    list(other.events())
    assert [what for what in notes if what.startswith("Features")]


def test_features_are_not_those_of_the_same_weights_in_another_model() -> None:
    one, two = (trained(tuned(num_heads=heads)) for heads in (1, 2))
    assert is_same(one.model.blocks[0].attn.qkv.weight, two.model.blocks[0].attn.qkv.weight)
    assert not is_same(one.batches.images, two.batches.images)


def test_features_that_are_damaged_on_the_disk_are_computed_again(home: Path) -> None:
    trained(tuned())
    files = sorted((home / "features").glob("*.npy"))
    assert len(files) == 3
    before = [file.read_bytes() for file in files]
    for file in files:
        file.write_bytes(b"\x93NUMPY no")
    trained(tuned())
    assert [file.read_bytes() for file in files] == before


def test_a_full_disk_costs_a_probe_nothing(home: Path) -> None:
    home.mkdir()
    (home / "features").write_text("in the way")
    assert isinstance(trained(tuned()).told[-1], Finished)


# ---------------------------------------------------------------------- layer-wise decay


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_each_layer_learns_at_the_rate_that_timm_gives_it(optimizer: str) -> None:
    config = tuned("all", layer_decay=0.5, optimizer=optimizer, depth=3)
    model = vx.create_model(config.model)
    theirs = timm.create_model(
        "vit_tiny_patch16_224", embed_dim=8, depth=3, num_heads=2, img_size=8, patch_size=4, mlp_ratio=2, num_classes=10
    )
    scales = {
        name: group["lr_scale"]
        for group in param_groups_layer_decay(theirs, layer_decay=0.5)
        for name, parameter in theirs.named_parameters()
        if any(parameter is one for one in group["params"])
    }
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parts = make_optimizers(model, config.model.card, config.train)
    parts.set_lr(0.1)
    groups = [group for part in parts.parts.values() for group in part.param_groups]
    rates = {names[id(parameter)]: group["lr"] for group in groups for parameter in group["params"]}
    assert rates == pytest.approx({name: 0.1 * scale for name, scale in scales.items()})
    assert rates["head.weight"] == 0.1
    spared = {names[id(p)] for group in groups if not group.get("decays", True) for p in group["params"]}
    assert {"pos_embed", "norm.weight"} <= spared
    assert "head.weight" not in spared


def test_layers_that_a_model_does_not_tell_are_those_with_a_number() -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    scales = layer_scales(model, 0.5)
    assert [scales[id(parameter)] for parameter in model.parameters()] == [0.25, 0.25, 0.5, 0.5, 1, 1]
    assert (layer_of("blocks.3.norm1.weight"), layer_of("head.weight")) == ("blocks.3", "head")


def test_a_resnet_has_layers_too() -> None:
    model = vx.create_model(vx.ModelConfig(architecture="resnet-slim"))
    scales = layer_scales(model, 0.5)
    assert scales[id(model.fc.weight)] == 1.0
    assert scales[id(model.conv1.weight)] == min(scales.values()) < 0.1


def test_a_run_with_layer_decay_goes_on_where_it_was() -> None:
    config = tuned("all", layer_decay=0.6)
    whole = [event.loss for event in trained(config).told if isinstance(event, Step)]
    trainer = tiny_trainer(config, initial=source_of(config), should_stop=lambda: trainer.step >= 8)
    states = [event.state for event in trainer.events() if isinstance(event, Checkpoint)]
    known = dataclasses.replace(source_of(config), weights=None)
    second = list(tiny_trainer(config, initial=known, state=states[-1]).events())
    assert [e.loss for e in second if isinstance(e, Step)] == pytest.approx(whole[8:], abs=1e-6)


# ---------------------------------------------------------------------- in the store


def by_tiny(config: RunConfig, **options: Any) -> Trainer:
    return Trainer(config, tiny_dataset(), **options)


def in_store(store: RunStore, config: RunConfig) -> str:
    run = store.create(config)
    outcome = went(store, run)
    assert outcome.state == "finished", outcome.error
    return run


def went(store: RunStore, run: str) -> Outcome:
    claimant = me()
    assert store.claim_id(claimant) == run
    with Pulse(store, claimant, registered=False) as pulse:
        return train_run(store, store.get(run), pulse, threading.Event(), make_trainer=by_tiny)


def from_run(parent: str) -> RunConfig:
    tiny = tiny_config()
    return RunConfig(data=tiny.data, model=vx.ModelConfig(init_from=f"run:{parent}"), train=tiny.train)


@pytest.fixture
def parent(store: RunStore) -> str:
    return in_store(store, tiny_config(width=16, num_heads=4))


def test_a_run_starts_from_another_and_says_at_which_step_it_was(store: RunStore, parent: str) -> None:
    run = store.create(tiny_config(init_from=f"run:{parent}").update(width=16, num_heads=4))
    model = store.get(run).settings().model
    assert model.init_from == f"run:{parent}@32"
    assert (model.width, model.num_heads, model.image_size) == (16, 4, 8)


@pytest.mark.parametrize("tune", ["head", "all"])
def test_it_is_reproduced_bit_by_bit(store: RunStore, parent: str, tune: str) -> None:
    config = from_run(parent).update(tune=tune, threads=1)
    run = in_store(store, config)
    assert reproduce(store, run, make_trainer=by_tiny).difference == 0.0
    assert reproduce(store, run, steps=3, make_trainer=by_tiny).compared == 3


def test_weights_that_have_changed_meanwhile_are_refused(store: RunStore, parent: str) -> None:
    config = from_run(parent)
    run = in_store(store, config)
    path = store.snapshot_path(parent, 32)
    weights = {name: value + 1 for name, value in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(weights, path)
    with pytest.raises(ModelUnavailable, match="are others now than the run"):
        reproduce(store, run, make_trainer=by_tiny)


def test_it_can_be_forked_also_when_its_source_is_gone(store: RunStore, parent: str) -> None:
    config = from_run(parent)
    run = in_store(store, config.update(tune="head"))
    store.delete(parent)
    fork = store.fork(run, 16, tune="all", epochs=3)
    assert went(store, fork).state == "finished"
    assert store.started(fork).mean == store.started(run).mean
    with pytest.raises(BadConfig, match="A fork starts from the weights of its parent"):
        store.fork(run, 16, init_from="bundled:vit-cifar10")


def test_a_source_that_is_gone_fails_the_run_in_one_sentence(store: RunStore, parent: str) -> None:
    config = from_run(parent)
    run = store.create(config)
    store.delete(parent)
    outcome = went(store, run)
    assert outcome.state == "failed"
    assert not outcome.unexpected
    assert f"{parent!r}" in str(outcome.error)


def test_vx_fit_starts_from_a_reference() -> None:
    config = RunConfig(
        data=vx.DataConfig(dataset="shapes", per_class=8, classes=("disc", "star")),
        model=vx.ModelConfig(init_from="bundled:vit-shapes"),
        train=vx.TrainConfig(epochs=2, tune="head", device="cpu", batch_size=8, lr=0.05),
    )
    events = list(vx.fit(config))
    first = next(event for event in events if isinstance(event, Snapshot))
    source = vx.load_model("bundled:vit-shapes").model.state_dict()
    assert torch.equal(first.weights["blocks.0.attn.qkv.weight"].float(), source["blocks.0.attn.qkv.weight"])
    assert not first.weights["head.weight"].any()
    assert isinstance(events[-1], Finished)
    assert events[-1].test_top1 > 0.7


# ---------------------------------------------------------------------- references


def asked(ref: str, **model: Any) -> RunConfig:
    return RunConfig(data=vx.DataConfig(dataset="shapes"), model=vx.ModelConfig(init_from=ref, **model))


def test_the_architecture_follows_and_a_contradiction_is_one_sentence(store: RunStore) -> None:
    found = resolved(asked("bundled:resnet-cifar10"), store)
    assert found.model.architecture == "resnet-slim"
    assert resolved(found, store) == found
    for wrong in ({"architecture": "resnet18"}, {"depth": 12}):
        with pytest.raises(BadConfig, match="contradicts bundled:vit-cifar10, which has"):
            resolved(asked("bundled:vit-cifar10", **wrong), store)
    with pytest.raises(BadConfig, match=r"^model = 'resnet18' contradicts"):  # as the setting is called
        resolved(asked("bundled:vit-cifar10", architecture="resnet18"), store)
    assert resolved(asked("bundled:vit-cifar10", dropout=0.3), store).model.dropout == 0.3


def test_what_the_weights_settle_is_not_asked_for_in_another_way(store: RunStore) -> None:
    name = "timm:vit_tiny_patch16_224@random"  # which knows pixels from -1 to 1
    assert resolved(asked(name).update(normalize="half"), store).data.normalize == "half"
    with pytest.raises(BadConfig, match=r"normalize = 'imagenet' contradicts timm:vit_tiny_patch16_224@random"):
        resolved(asked(name).update(normalize="imagenet"), store)
    with pytest.raises(BadConfig, match="both from timm:resnet18@random and from timm's published weights"):
        resolved(asked("timm:resnet18@random", pretrained=True), store)


def test_the_image_size_is_the_models_unless_another_is_set(store: RunStore) -> None:
    name = "timm:vit_tiny_patch16_224@random"
    found = resolved(asked(name), store)
    assert (found.data.image_size, found.model.image_size) == (32, 224)  # resized on the way
    assert resolved(found, store) == found
    own = asked(name).update(dataset="folder", path="mine")
    assert resolved(own, store).data.image_size == 224  # read at that size
    for size in (32, 96):  # that of the data, too
        sized = resolved(asked(name).update(input_size=size), store)
        assert (sized.data.image_size, sized.model.image_size) == (32, size)
        assert resolved(sized, store) == sized
    small = asked(name).update(image_size=64)
    assert resolved(small, store).data.image_size == 64
    with pytest.raises(BadConfig, match="does not divide the image size"):
        resolved(asked("bundled:vit-cifar10").update(image_size=30), store)


@pytest.mark.parametrize(
    ("ref", "kind", "said"),
    [
        ("vit", BadReference, "is no model reference"),
        ("run:none", BadReference, "no run 'none'"),
        ("bundled:none", BadReference, "No bundled model"),
        ("timm:vit_nothing", BadReference, "timm has no model"),
        ("there.safetensors", BadReference, "There is no file there.safetensors"),
    ],
)
def test_a_reference_that_points_at_nothing(store: RunStore, ref: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        resolved(asked(ref), store)


def test_weights_out_of_reach_are_one_sentence(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = resolved(asked("timm:vit_tiny_patch16_224"), store)
    with pytest.raises(ModelUnavailable, match="neither on this machine nor reachable"):
        read_initial(config, store)


def in_cache(folder: Path, name: str) -> dict[str, Tensor]:
    """The weights of a model of timm, random ones, as the hub's cache keeps them."""
    torch.manual_seed(3)
    model = timm.create_model(name)
    snapshot = folder / f"models--timm--{name}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    safetensors.torch.save_file(model.state_dict(), snapshot / "model.safetensors")
    return dict(model.state_dict())


def test_published_weights_come_from_the_cache_and_move_to_the_images_size(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    weights = in_cache(tmp_path, name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = resolved(asked(f"timm:{name}").update(image_size=64), store)
    initial = read_initial(config, store)
    assert initial is not None
    assert initial.mean == (0.5, 0.5, 0.5)
    model = vx.create_model(config.model.replace(num_classes=3))
    initial.put_into(model)
    assert torch.equal(model.blocks[0].mlp.fc1.weight, weights["blocks.0.mlp.fc1.weight"])
    assert model.pos_embed.shape == (1, 17, 192)
    assert not model.head.weight.any()


def test_a_pretrained_run_goes_on_without_the_published_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    config = tiny_config(model="timm:resnet10t.c3_in1k", input_size=32, epochs=0.1, seed=1)
    begun = tiny_trainer(config)
    config = config.update(pretrained=True, seed=2)
    with pytest.raises(ModelUnavailable, match="neither on this machine nor reachable"):
        tiny_trainer(config)
    resumed = tiny_trainer(config, state=begun.state_dict())
    for name, value in begun.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value), name
    assert resumed.model_config.pretrained


def test_random_weights_of_timm_are_the_same_each_time(store: RunStore) -> None:
    config = resolved(asked("timm:resnet18@random").update(image_size=32), store)
    one, other = read_initial(config, store), read_initial(config, store)
    assert one is not None
    assert other is not None
    assert one.digest == other.digest


def test_an_exported_file_knows_what_it_is(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = export("bundled:resnet-cifar10", tmp_path / "mine.safetensors")
    config = resolved(asked(str(path)), store)
    assert (config.model.architecture, config.model.init_from) == ("resnet-slim", str(path))
    monkeypatch.chdir(tmp_path)  # a worker may be elsewhere
    assert resolved(asked(path.name), store) == config
    initial, bundled = (
        read_initial(config, store),
        read_initial(resolved(asked("bundled:resnet-cifar10"), store), store),
    )
    assert initial is not None
    assert bundled is not None
    assert (initial.digest, initial.mean) == (bundled.digest, bundled.mean)


def test_a_file_of_timms_hub_knows_it_too_and_a_bare_one_needs_an_architecture(store: RunStore, tmp_path: Path) -> None:
    model = timm.create_model("resnet10t", num_classes=5)
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)
    bare = find_source(asked(str(path), architecture="timm:resnet10t").model, store)
    assert (bare.knobs, bare.mean) == ({}, (0.485, 0.456, 0.406))
    facts = {"input_size": [3, 96, 96], "mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet10t", "pretrained_cfg": facts}))
    source = find_source(asked(str(path)).model, store)
    assert (source.knobs, source.mean, source.image_size) == ({"architecture": "timm:resnet10t"}, (0.1, 0.2, 0.3), 96)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadReference, match="does not say what they are of"):
        find_source(asked(str(path)).model, store)


def test_a_file_of_another_architecture_or_a_damaged_one_is_one_sentence(store: RunStore, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    safetensors.torch.save_file(timm.create_model("resnet10t").state_dict(), path)
    config = resolved(asked(str(path)), store)
    initial = read_initial(config, store)
    assert initial is not None
    with pytest.raises(ModelUnavailable, match=r"do not fit the model: they .*choose the architecture"):
        initial.put_into(vx.create_model(config.model))
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(vx.VitExploreError, match="cannot be read"):
        read_initial(config, store)


def test_the_reports_settings_on_a_folder_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """lr 1e-5, batch 16, 3 epochs, three classes; the models are theirs in small, without published weights."""
    write_class_folders(tmp_path / "shoes", 12)
    asked = ["train", "--dataset", "folder", "--path", str(tmp_path / "shoes"), "--image-size", "32", "--device", "cpu"]
    asked += ["--lr", "1e-5", "--batch-size", "16", "--epochs", "3", "--optimizer", "adamw", "--quiet", "--json"]
    for model in ("timm:test_vit@random", "timm:test_resnet@random"):
        for tune in (["--layer-decay", "0.75"], ["--tune", "head"]):
            assert cli.main([*asked, "--init-from", model, *tune]) == 0
            found = json.loads(capsys.readouterr().out)
            record = RunStore().get(found["run"])
            assert record.settings().model.init_from == model
            assert record.classes == ("apple", "bean", "cherry")
            assert found["test_images"] > 0
            assert found["macro_f1"] is not None
