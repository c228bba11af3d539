"""Configs: bounds as sentences, sections that fit together, flat names, and a stored run that reads back the same."""

from __future__ import annotations

import pytest

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig, flat_fields, settings
from vit_explore.errors import BadConfig, UnknownName, VitExploreError
from vit_explore.presets import DEFAULT, presets
from vit_explore.registry import Registry


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TrainConfig(), "Exactly one of epochs and seconds"),
        (lambda: TrainConfig(epochs=1, seconds=1), "both are set"),
        (lambda: ModelConfig(patch_size=5), "choose one of 1, 2, 4, 8, 16, 32"),
        (lambda: ModelConfig(width=30, num_heads=4), "multiple of 4"),
        (lambda: ModelConfig(width=18, num_heads=2, pos_embed="sincos2d"), "multiple of 4"),
        (lambda: ModelConfig(stem="conv", patch_size=6, image_size=36), "power of 2, not 6"),
        (lambda: ModelConfig(pool="max"), "'cls' or 'avg'"),
        (lambda: TrainConfig(epochs=1, optimizer="lion"), "optimizer = 'lion' is not possible: it takes 'adam' or "),
        (lambda: TrainConfig(epochs=1, nesterov=True, momentum=0), "needs a momentum above 0"),
        (lambda: TrainConfig(epochs=1, schedule="step"), "it takes 'cosine' or 'constant' or 'exponential'"),
        (lambda: RunConfig().update(input_size=600), "input_size = 600 is not possible: it takes a whole number from"),
        (lambda: ModelConfig(width=5000), "width = 5000 is not possible: it takes a whole number from 8 to 1,536."),
        (lambda: ModelConfig(width="wide"), "width = wide is not possible: it takes a whole number from 8 to"),
        (
            lambda: RunConfig(train={"epochs": 1, "lr": 0}),
            "lr = 0 is not possible: it takes a number above 0 and at most",
        ),
        (lambda: DataConfig(seed=-1), "data_seed = -1 is not possible: it takes a whole number of 0 or more."),
        (
            lambda: DataConfig(val_fraction=1),
            "val_fraction = 1 is not possible: it takes a number above 0 and below 0.9.",
        ),
        (lambda: RunConfig(name="x" * 130), "it takes text of at most 120 characters."),
        (lambda: RunConfig().update(optimizer="lion"), "optimizer = 'lion' is not possible"),
        (lambda: ModelConfig(heads=3), "has no field 'heads'"),
        (lambda: DataConfig(classes=("cat",)), "at least two"),
        (lambda: DataConfig(classes=("cat", "dog", "cat")), "named twice"),
        (lambda: DataConfig(dataset="folder"), "needs a path"),
        (lambda: DataConfig(per_class=0), "per_class = 0"),
        (lambda: RunConfig(train={"epochs": -1}), "epochs = -1"),
        (lambda: RunConfig(data={"classes": ("cat", "dog")}, model={"num_classes": 3}), "3 outputs and the data 2"),
        (lambda: RunConfig().update(no_such=1), "no setting 'no_such'"),
    ],
)
def test_a_mistake_is_one_sentence(make: object, words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        make()
    message = str(caught.value)
    assert words in message
    assert message.endswith(".")
    assert "\n" not in message
    assert isinstance(caught.value, VitExploreError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"width": 5000}, ("width",)),
        ({"width": 98}, ("width", "num_heads")),
        ({"patch_size": 5}, ("patch_size", "image_size")),
        ({"patch_size": 5, "input_size": 72}, ("patch_size", "input_size")),
        ({"patch_size": 5, "input_size": 600}, ("input_size",)),
        ({"image_size": 600, "input_size": 72}, ("image_size",)),
        ({"data_seed": -1}, ("data_seed",)),
        ({"classes": ("cat",)}, ("classes",)),
        ({"dataset": "folder"}, ("path",)),
        ({"optimizer": "lion"}, ("optimizer",)),
        ({"nesterov": True, "momentum": 0}, ("momentum", "nesterov")),
    ],
)
def test_a_mistake_names_the_settings_that_it_is_about(changes: dict, fields: tuple[str, ...]) -> None:
    with pytest.raises(BadConfig) as caught:
        RunConfig().update(**changes)
    assert caught.value.fields == fields
    assert set(fields) <= set(flat_fields())


def test_every_setting_says_what_it_takes() -> None:
    for setting in settings().values():
        words = setting.takes
        assert words
        assert "input" not in words
        numbers = [getattr(part, bound) for part in setting.info.metadata for bound in ("ge", "gt", "le", "lt")
                   if hasattr(part, bound)]  # fmt: skip
        assert all(f"{number:,g}" in words for number in numbers), (setting.name, words)


def test_configs_are_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        ModelConfig().width = 64


def test_the_model_follows_the_data() -> None:
    run = RunConfig(data=DataConfig(classes=("cat", "dog", "ship"), image_size=48))
    assert (run.model.num_classes, run.model.image_size) == (3, 48)
    changed = run.update(image_size=16, classes=("cat", "dog"))
    assert (changed.model.num_classes, changed.model.image_size) == (2, 16)
    assert run.update(patch_size=12).model.image_size == 48  # 12 divides 48, and not 32
    assert settings()["input_size"].value(run) is None


def test_the_models_input_can_be_larger_than_the_datas_images() -> None:
    run = RunConfig().update(input_size=72, patch_size=6)
    assert (run.data.image_size, run.model.image_size, settings()["input_size"].value(run)) == (32, 72, 72)
    assert run.update(image_size=48, seed=1).model.image_size == 72
    assert RunConfig.model_validate_json(run.model_dump_json()) == run
    follows = run.update(input_size=None, patch_size=4)
    assert (follows.model.image_size, follows.update(image_size=48).model.image_size) == (32, 48)


def test_a_new_budget_replaces_the_old_one() -> None:
    run = RunConfig(train=TrainConfig(seconds=60))
    assert (run.update(epochs=3).train.epochs, run.update(epochs=3).train.seconds) == (3, None)
    with pytest.raises(BadConfig):
        run.update(epochs=3, seconds=5)


def test_a_run_of_defaults_takes_a_change() -> None:
    run = RunConfig().update(weight_decay=0.5)
    assert (run.train.weight_decay, run.train.seconds, run.train.epochs) == (0.5, 60, None)
    assert RunConfig().update(epochs=2).train.seconds is None


@pytest.mark.parametrize("name", [*flat_fields(), "name"])
def test_a_setting_set_to_what_it_is_changes_nothing(name: str) -> None:
    for run in (RunConfig(), RunConfig(name="mine", train=TrainConfig(epochs=2, lr=0.1)), presets.get(DEFAULT).config):
        section, field, _ = flat_fields().get(name, ("", name, None))
        value = getattr(getattr(run, section, run), field)
        assert run.update(**{name: value}) == run


@pytest.mark.parametrize("name", presets.names())
def test_presets_read_back_from_json(name: str) -> None:
    config = presets.get(name).config
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert presets.get(name).why.endswith(".")


def test_the_first_reports_settings_are_a_preset() -> None:
    model = presets.get("report-vit-small").config.model
    assert (model.width, model.depth, model.num_heads, int(model.width * model.mlp_ratio)) == (256, 4, 4, 1024)
    assert DEFAULT == "minute"


def test_flat_names_cover_every_field_once() -> None:
    flat = flat_fields()
    fields = {(section, field) for section, field, _ in flat.values()}
    every = {("data", f) for f in DataConfig.model_fields} | {("train", f) for f in TrainConfig.model_fields}
    every |= {("model", f) for f in ModelConfig.model_fields} - {("model", "num_classes")}
    assert fields == every
    assert all(info.description for _, _, info in flat.values())


def test_a_registry_names_what_it_has() -> None:
    fruits: Registry[int] = Registry("fruit")
    fruits.register("apple")(1)
    with pytest.raises(UnknownName, match=r"no fruit named 'aple' \(did you mean 'apple'\?\); choose one of: apple"):
        fruits.get("aple")
    with pytest.raises(ValueError, match="registered twice"):
        fruits.register("apple")(2)
    assert "apple" in fruits
    assert list(fruits) == [("apple", 1)]
