"""The parts of the pages Train, ViT vs ResNet and Runs that need no browser: words, form, curves, tables, pictures."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import run_tools
from PIL import Image
from pydantic import Field
from safetensors.numpy import load

from vit_explore.cards import cards
from vit_explore.config import DataConfig, Hints, ModelConfig, RunConfig, TrainConfig, flat_fields, settings
from vit_explore.errors import BadReference
from vit_explore.explain.results import AttentionMaps, PositionSimilarity
from vit_explore.models import create_model
from vit_explore.presets import presets
from vit_explore.runs.loaded import LoadedModel
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Step
from vit_explore.ui.components.predictions import sprite_uri
from vit_explore.ui.kit import curves, forms, wording
from vit_explore.ui.kit.config_facts import status_of, training_images
from vit_explore.ui.pages.runs import table
from vit_explore.ui.pages.train import inside, numbers
from vit_explore.ui.pages.versus import comparison

DATA = DataConfig(dataset="shapes")


def config_of(**train: Any) -> RunConfig:
    return RunConfig(data=DATA, train=TrainConfig(**{"epochs": 1, **train}))


@pytest.fixture
def store(home: Path) -> RunStore:
    return RunStore()


def running(store: RunStore, *events: Any) -> str:
    run = store.create(config_of(), run_tools.me())
    store.record_all(run, [run_tools.started(), *events])
    return run


# ---------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (842, "842"),
        (9999, "9,999"),
        (12_345, "12.3 k"),
        (999_999, "1 M"),
        (45.4e6, "45.4 M"),
        (3.2e12, "3.2 T"),
    ],
)
def test_counts(number: float, words: str) -> None:
    assert wording.count(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.7, "1 min"), (125, "2 min 05 s"), (3600, "1 h 00 min"), (-3, "0 s")]
)
def test_durations(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


def test_ordinals() -> None:
    assert [wording.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th")
    ]


def test_every_state_has_its_words(store: RunStore) -> None:
    claimant = run_tools.me()
    first = store.create(config_of(), claimant)
    second, third = store.create(config_of()), store.create(config_of())
    assert wording.state_line(store.get(second), "a *b*") == r"Waiting: next in the queue behind “a \*b\*”."
    assert "2nd in the queue" in wording.state_line(store.get(third))
    assert wording.state_line(store.get(first)) == "Getting ready…"
    store.set_note(first, "Fetching cifar10")
    assert wording.state_line(store.get(first)) == "Fetching cifar10…"
    store.record_all(first, [run_tools.started(), run_tools.step(8)])
    assert wording.state_line(store.get(first)) == "Training: 9 s left."
    assert wording.progress_of(store.get(first)) == pytest.approx(0.5)
    store.control(first, paused=True)
    assert wording.state_line(store.get(first)) == "Paused: 9 s left."
    store.let_go(first, claimant.worker, "stopped")
    store.resume(first, claimant)
    assert wording.state_line(store.get(first)) == "Getting ready…"
    store.request_stop(second)
    assert wording.state_line(store.get(second)).startswith("Stopped before its first step")


# ---------------------------------------------------------------------- the form


def test_every_setting_has_a_widget_with_the_fields_own_help() -> None:
    made = forms.widgets()
    assert set(made) == set(flat_fields())
    for name, (_, _, info) in flat_fields().items():
        assert made[name].help.startswith(info.description or "?")
    assert made["pos_embed"].options == ("none", "learned", "sincos2d")
    assert made["per_class"].optional
    assert not made["width"].optional
    assert made["drop_path"].advanced
    assert "muon: orthogonal" in made["optimizer"].help
    assert set(made["model"].options) == set(cards.names())


def test_a_new_field_of_any_kind_gets_a_widget() -> None:
    kinds: dict[Any, tuple[Any, str]] = {
        int: (3, "whole"), float: (0.5, "number"), bool: (False, "switch"), str: ("a", "text"),
        float | None: (None, "number"), Literal["x", "y"]: ("x", "choice"), tuple[str, ...] | None: (None, "names"),
    }  # fmt: skip
    for annotation, (default, kind) in kinds.items():
        info = Field(default, description="new", json_schema_extra=Hints(advanced=True))
        info.annotation = annotation
        widget = forms.Widget("brand_new", "train", "brand_new", info)
        assert (widget.kind, widget.label, widget.advanced) == (kind, "Brand new", True)
        assert widget.must_match(on_clock=False)  # what says nothing is taken to matter


def test_fields_apply_to_their_architectures() -> None:
    made = forms.widgets()
    assert made["depth"].applies("vit")
    assert not made["depth"].applies("resnet18")
    assert made["pretrained"].applies("timm:resnet18")
    assert not made["pretrained"].applies("vit")
    assert not made["depth"].applies("timm:vit_tiny_patch16_224")
    assert made["lr"].applies("resnet18")


@pytest.mark.parametrize("name", presets.names())
def test_a_form_filled_with_a_preset_reads_back_as_that_preset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr(forms.st, "session_state", state)
    wanted = presets.get(name).config
    forms.fill(wanted)
    forms.ensure(wanted)
    read = forms.read()
    assert (read.data, read.train) == (wanted.data, wanted.train)
    assert forms.changes(read, wanted) == []
    state["form_lr"] = 0.5
    assert forms.changes(forms.read(), wanted) == [f"Learning rate 0.5 (was {wanted.train.lr:g})"]


@pytest.mark.parametrize(
    ("settings_of_data", "images"),
    [
        ({"dataset": "cifar10"}, 40_000),
        ({"dataset": "cifar10", "classes": ("cat", "dog")}, 8_000),
        ({"dataset": "cifar100", "val_fraction": 0.5}, 25_000),
        ({"dataset": "shapes", "classes": ("disc", "ring", "star")}, 3_000),
        ({"dataset": "shapes", "per_class": 7}, 70),
        ({"dataset": "folder", "path": "x"}, None),
    ],
)
def test_the_number_of_training_images_follows_from_the_source(settings_of_data: dict, images: int | None) -> None:
    config = RunConfig(data=DataConfig(**settings_of_data))
    assert training_images(config, status_of(config.data.dataset)) == images


# ---------------------------------------------------------------------- curves


def test_curves_grow_by_what_is_new(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(store, run_tools.evaluated(0), *(run_tools.step(i) for i in range(1, 5)))
    seen = curves.Curves(run)
    assert seen.refresh(store, store.get(run))
    asked: list[int] = []
    real = store.steps
    monkeypatch.setattr(store, "steps", lambda run, after=-1: (asked.append(after), real(run, after))[1])
    assert not seen.refresh(store, store.get(run))
    store.record_all(run, [run_tools.step(5), run_tools.evaluated(5, top1=0.75)])
    assert seen.refresh(store, store.get(run))
    assert asked == [4, 4]
    assert seen.columns["step"].tolist() == [1, 2, 3, 4, 5]
    x, top1 = seen.accuracy("step")
    assert (x.tolist(), top1.tolist()) == ([0, 5], [0.5, 0.75])
    assert seen.loss("images_seen")[0].tolist() == [6, 12, 18, 24, 30]


def test_curves_forget_what_a_resumed_run_takes_back(store: RunStore) -> None:
    run = running(store, *(run_tools.step(i) for i in range(1, 9)))
    seen = curves.Curves(run)
    seen.refresh(store, store.get(run))
    store.record_all(run, [run_tools.started(resumed_at=4), run_tools.step(5, loss=7.0)])
    seen.refresh(store, store.get(run))
    assert seen.columns["step"].tolist() == [1, 2, 3, 4, 5]
    assert seen.columns["loss"][-1] == 7.0


# ---------------------------------------------------------------------- ViT against ResNet


def test_disagreements_put_the_instructive_ones_first() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2])
    one = np.array([0, 1, 0, 1, 0, 2])
    other = np.array([0, 0, 2, 2, 1, 0])
    found = comparison.disagreements(labels, one, other)
    assert {d.index for d in found} == set(np.flatnonzero(one != other))
    assert [d.index for d in found] == [1, 2, 5, 4, 3]
    groups = comparison.kinds(found)
    assert [len(groups[kind]) for kind in ("one", "other", "neither")] == [2, 2, 1]
    assert comparison.disagreements(labels, one, one) == []


def test_a_pair_differs_in_the_model_alone_and_anything_else_is_named(store: RunStore) -> None:
    vit, resnet = (store.get(run).config for run in comparison.start_pair(store, config_of(), "resnet-slim"))
    assert comparison.warning(vit, resnet) is None
    changed = vit.update(seed=3, data_seed=1, epochs=2)
    assert comparison.warning(vit, changed) == (
        "These two runs also differ in data seed, budget in epochs and training seed, "
        "so the figure compares more than the two architectures."
    )


ANOTHER: dict[str, Any] = {  # a value that each setting does not have in `config_of`
    "dataset": "cifar10", "classes": ("a", "b"), "per_class": 9, "image_size": 64, "val_fraction": 0.5, "data_seed": 7,
    "path": "x", "coarse_labels": True, "pretrained": True, "epochs": 7, "seconds": 7, "batch_size": 8,
    "optimizer": "adamw", "lr": 0.5, "weight_decay": 0.5, "warmup_fraction": 0.5, "low_res_fraction": 0.5,
    "label_smoothing": 0.5, "augment": "none", "grad_clip": 0.5, "evaluations": 7, "val_images": 70, "device": "cpu",
    "precision": "fp32", "compiled": "off", "threads": 7, "seed": 7, "model": "resnet-slim", "patch_size": 8,
    "width": 192, "depth": 2, "num_heads": 8, "mlp_ratio": 1.0, "pos_embed": "none", "pool": "avg", "stem": "conv",
    "mlp": "local", "patch_loss": 0.5,
    "num_registers": 2, "dropout": 0.5, "drop_path": 0.5, "normalize": "half", "input_size": 64, "crop": 0.5,
    "momentum": 0.5, "nesterov": True, "schedule": "constant", "lr_decay": 0.5, "warmup_start": 0.5, "mixup": 0.5,
    "cutmix": 0.5, "mix_until": 0.5, "erasing": 0.5, "rand_augment": 5, "ema": 0.5, "patience": 5,
    "semantic_tokens": 8, "recurrent": True, "attend_over": "batch", "norm": "post",
    "init_from": "bundled:vit-cifar10", "tune": "head", "layer_decay": 0.5,
}  # fmt: skip
ON_A_CLOCK = {"evaluations", "val_images", "device", "precision", "compiled", "threads"}
WHAT_IS_COMPARED = set(ModelConfig.model_fields) - {"architecture", "image_size", "pretrained", "init_from"} | {
    "model",
    "input_size",
}


@pytest.mark.parametrize("name", list(settings()))
@pytest.mark.parametrize("budget", ["seconds", "epochs"])
def test_the_fairness_note_names_every_setting_that_should_be_equal(name: str, budget: str) -> None:
    """Each setting changed alone is named, but for the model's own, and for the machine's pace without a clock."""
    one = RunConfig(data=DATA, train=TrainConfig(**{budget: 30}))
    other = one.update(**{name: ANOTHER[name]})
    assert other != one
    must_match = name not in WHAT_IS_COMPARED and (budget == "seconds" or name not in ON_A_CLOCK)
    assert (settings()[name].words in comparison.differences(one, other)) == must_match


def test_the_models_own_settings_are_what_is_compared() -> None:
    vit = config_of()
    wider = vit.update(name="mine", width=192, depth=2, pool="avg", stem="conv", num_registers=2, drop_path=0.1)
    assert comparison.warning(vit, wider) is None
    worse = vit.update(weight_decay=0.5, warmup_fraction=0.3, label_smoothing=0)
    assert "weight decay, share of warm-up and label smoothing" in (comparison.warning(vit, worse) or "")


def test_the_latest_fair_pair_is_shown_first(store: RunStore) -> None:
    vit = store.create(config_of())
    resnet = store.create(config_of().update(model="resnet-slim"))
    store.create(config_of(seed=9))
    assert comparison.latest_pair(store.list()) == (vit, resnet)
    assert comparison.latest_pair([]) == (None, None)
    assert comparison.latest_pair([store.get(vit)]) == (vit, None)
    unlike = store.create(config_of(lr=0.5).update(model="timm:swin_tiny_patch4_window7_224"))
    assert comparison.latest_pair([store.get(unlike), store.get(vit)]) == (vit, unlike)
    assert comparison.latest_pair([store.get(run) for run in (unlike, resnet, vit)]) == (vit, resnet)


@pytest.mark.parametrize(
    ("models", "titles"),
    [
        (("vit", "resnet18"), ("ViT", "ResNet-18")),
        (("timm:swin_tiny_patch4_window7_224", "vit"), ("swin_tiny_patch4_window7_224", "ViT")),
        (("resnet18", "resnet50"), ("one · {}", "other · {}")),
        (("vit", "vit"), ("one · {}", "other · {}")),
    ],
)
def test_two_runs_are_called_by_their_models_where_that_tells_them_apart(
    store: RunStore, models: tuple[str, str], titles: tuple[str, str]
) -> None:
    named = zip(models, ("one", "other"), strict=True)
    pair = [store.get(store.create(config_of().update(model=model, name=name))) for model, name in named]
    expected = tuple(title.format(record.id) for title, record in zip(titles, pair, strict=True))
    assert comparison.titles(*pair) == expected


@pytest.mark.parametrize(
    ("changes", "images"),
    [
        ({"low_res_fraction": 0}, [0, 48, 96, 144, 192]),
        ({"low_res_fraction": 0.5}, [0, 12, 24, 72, 120]),  # the first 96 images cost a quarter
        ({"low_res_fraction": 0.5, "seconds": 3.2}, [0, 12, 24, 72, 120]),
        ({"low_res_fraction": 0.5, "model": "timm:resnet18"}, [0, 48, 96, 144, 192]),  # takes one size only
    ],
)
def test_flops_along_the_race(store: RunStore, changes: dict, images: list[int]) -> None:
    run = store.create(run_tools.tiny_config(**changes))
    record = replace(store.get(run), flops=1000)
    seen = curves.Curves("x", evaluations=[run_tools.evaluated(step, top1=0.4) for step in (0, 8, 16, 24, 32)])
    x, top1 = comparison.race_points(seen, "flops", record)
    assert x.tolist() == pytest.approx([n * 1000 * 3 for n in images])
    assert top1.tolist() == [0.4] * 5


# ---------------------------------------------------------------------- runs


def test_rows_and_filters(store: RunStore) -> None:
    run = running(store, run_tools.evaluated(0, top1=0.25), run_tools.step(8))
    other = store.create(config_of().update(model="resnet-slim", name="Rival"))
    row = table.row(store.get(run))
    assert (row["Top-1 (%)"], row["On"], row["Data"], row["Id"]) == (25.0, "validation", "shapes", run)
    assert "50 %" in row["State"]
    records = store.list()
    assert [r.id for r in table.filtered(records, "rival RESNET")] == [other]
    assert [r.id for r in table.filtered(records, states=["running"])] == [run]
    assert table.filtered(records, "rival", ["running"]) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "at first 1.00"), ({"mixup": 0.2}, "of mixed images"), ({"cutmix": 1.0, "mix_until": 0}, "at first 1.00")],
)
def test_the_loss_of_mixed_images_is_called_so(store: RunStore, changes: dict[str, Any], words: str) -> None:
    record = store.get(store.create(config_of(**changes)))
    told = {label: extra for label, _, extra in numbers.numbers(record, curves.Curves("x", {"loss": np.ones(3)}))}
    assert told["Loss"] == words


def test_the_last_accuracy_up_to_a_step_and_the_names_of_runs_that_began(store: RunStore) -> None:
    looks = [run_tools.evaluated(step, split, top1) for step, split, top1 in
             [(0, "val", 0.1), (4, "val", 0.4), (4, "train", 0.9), (8, "val", 0.8)]]  # fmt: skip
    run = running(store, *looks, run_tools.step(8))
    found = {step: store.top1_by(run, step) for step in (0, 3, 4, 7, 8, 99)}
    assert found == {0: (0, 0.1), 3: (0, 0.1), 4: (4, 0.4), 7: (4, 0.4), 8: (8, 0.8), 99: (8, 0.8)}
    waiting = store.create(config_of())
    assert store.top1_by(waiting, 99) is None
    later = running(store, run_tools.step(1))
    assert list(store.names_of_begun().items()) == [(name, store.get(name).name) for name in (later, run)]


def test_metrics_as_csv(store: RunStore) -> None:
    run = running(store, run_tools.evaluated(0), run_tools.step(1, loss=2.5), run_tools.evaluated(1, "test"))
    rows = list(csv.DictReader(io.StringIO(table.metrics_csv(store, store.get(run)))))
    assert [(row["step"], row["split"]) for row in rows] == [("0", "val"), ("1", "train"), ("1", "test")]
    assert float(rows[1]["loss"]) == 2.5
    assert rows[1]["top1"] == ""


def test_weights_as_a_zip(store: RunStore) -> None:
    weights = {name: value.half() for name, value in create_model(run_tools.TINY).state_dict().items()}
    run = running(store, run_tools.snapshot(0), replace(run_tools.snapshot(2), weights=weights))
    store.rename(run, "../odd name: <x>")
    with zipfile.ZipFile(io.BytesIO(table.weights_zip(store, store.get(run)))) as archive:
        file, card = sorted(archive.namelist(), reverse=True)
        assert file == f"odd-name-x-{run}.safetensors"
        assert {name: value.tolist() for name, value in load(archive.read(file)).items()} == {
            name: value.tolist() for name, value in weights.items()
        }
        said = json.loads(archive.read(card))
        assert ModelConfig(**said["config"]) == run_tools.TINY
        assert file in said["timm_recipe"], "the recipe names the file beside it"
    with pytest.raises(BadReference, match="no snapshot"):
        table.weights_zip(store, store.get(store.create(config_of())))


# ---------------------------------------------------------------------- pictures


def opened(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_tiles_of_a_grid_that_is_not_square() -> None:
    values = np.full((2, 3, 2, 3), -1.0, np.float32)
    for r, c in np.ndindex(2, 3):
        values[r, c, r, c] = 1.0
    result = PositionSimilarity(values, np.zeros((0, 2, 3), np.float32), (2, 3), 0.1, 0.0, ())
    pixels = opened(inside.tiles_uri(result))
    height, width = pixels.shape[:2]
    assert (3 * 3 + 2) * height == (2 * 2 + 1) * width
    cell = width // 11
    assert pixels[cell // 2, cell // 2].tolist() != pixels[cell // 2, cell + cell // 2].tolist()


def test_blocks_show_where_the_class_token_looks() -> None:
    weights = np.zeros((1, 2, 1, 5, 5), np.float32)
    weights[0, 0, 0, 0, 2] = weights[0, 1, 0, 0, 4] = 1.0  # the class token: at the second, and at the last patch
    maps = AttentionMaps(weights, (2, 2), 1, True, np.zeros((1, 3), np.float32), ("class token",))
    blocks = inside.block_uris(maps, np.full((8, 8, 3), 60, np.uint8))
    assert [number for number, _ in blocks] == [1, 2]
    for (_, uri), brightest in zip(blocks, (1, 3), strict=True):
        pixels = opened(uri).astype(int).sum(axis=2)
        half = len(pixels) // 2
        corners = [pixels[r + half // 2, c + half // 2] for r in (0, half) for c in (0, half)]
        assert int(np.argmax(corners)) == brightest


def test_deep_models_show_a_choice_of_their_blocks() -> None:
    maps = AttentionMaps(
        np.full((1, 24, 1, 4, 4), 0.25, np.float32), (2, 2), 0, False, np.zeros((1, 3), np.float32), ()
    )
    numbers = [number for number, _ in inside.block_uris(maps, np.zeros((8, 8, 3), np.uint8))]
    assert len(numbers) == inside.MAX_BLOCKS
    assert (numbers[0], numbers[-1]) == (1, 24)


def test_weights_that_are_no_numbers_are_two_sentences() -> None:
    import torch

    from vit_explore import create_model
    from vit_explore.runs import references

    net = create_model(ModelConfig(image_size=16, width=16, depth=1, num_heads=2)).eval()
    torch.nn.init.constant_(net.pos_embed, torch.nan)
    loaded = references.LoadedModel(net, ("a", "b"), 16, (0.5,) * 3, (0.5,) * 3, "run:abc@3")
    view = inside.look_inside(loaded, 3, np.zeros((2, 16, 16, 3), np.uint8), 0)
    assert "position embeddings of this model are not all finite" in view.tiles_note
    assert "logits of this model are not all finite" in view.attention_note
    assert view.tiles is None
    assert not view.blocks


def test_a_sprite_holds_the_pictures_side_by_side() -> None:
    images = [np.full((4, 4, 3), value, np.uint8) for value in (10, 200)]
    pixels = opened(sprite_uri(images))
    assert pixels[:, :4].max() == 10
    assert pixels[:, 4:].min() == 200


def test_step_columns_of_the_csv_exist() -> None:
    assert set(table.STEP_COLUMNS) <= set(Step.__dataclass_fields__)


def test_a_visual_transformer_shows_its_tokens_while_it_trains() -> None:
    net = create_model(ModelConfig(architecture="visual-transformer", image_size=16, semantic_tokens=14, num_classes=3))
    loaded = LoadedModel(net.eval(), ("a", "b", "c"), 16, (0.5,) * 3, (0.5,) * 3, "run:ab12@3")
    view = inside.look_inside(loaded, 3, np.full((2, 16, 16, 3), 90, np.uint8), 1)
    assert len(view.blocks) == inside.MAX_BLOCKS
    assert (view.blocks[0][0], view.blocks[-1][0]) == (1, 14)
    assert all(uri.startswith("data:image/png") for _, uri in view.blocks)
    assert not view.attention_note
    assert "keeps no single sequence" in view.tiles_note
