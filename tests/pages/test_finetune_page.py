"""The page Fine-tune: from pictures and models to baselines, runs and their results."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeRun, OpenPage, param
from fake_data import write_class_folders
from PIL import Image
from streamlit.testing.v1 import AppTest

import vit_explore as vx
from vit_explore.config import RunConfig
from vit_explore.errors import DiskFull
from vit_explore.runs.store import Claimant, RunStore
from vit_explore.training.events import Event
from vit_explore.ui.kit import uploaded
from vit_explore.ui.pages.finetune import data

SHAPES = ("square", "star")


def filled(at: AppTest, models: list[str]) -> AppTest:
    """The form with two classes of Shapes, and these models."""
    at.selectbox(key="tune_dataset").set_value("shapes").run()
    at.multiselect(key="tune_classes").set_value(list(SHAPES))
    at.number_input(key="tune_per_class").set_value(8)
    at.session_state["tune_models"] = models
    return at.run()


def button(at: AppTest, key: str) -> AppTest:
    return at.button(key=key).click().run()


def words(at: AppTest) -> str:
    return "\n".join(str(part.value) for part in [*at.markdown, *at.caption, *at.info, *at.error, *at.warning])


@pytest.fixture
def source(make_run: MakeRun) -> str:
    return f"run:{make_run()}"


def test_without_a_model_it_asks_for_one(open_page: OpenPage) -> None:
    at = open_page("finetune")
    assert not at.exception
    assert "Choose a model to start from" in words(at)


def test_the_baselines_come_first_and_then_the_runs(open_page: OpenPage, source: str) -> None:
    at = filled(open_page("finetune"), [source])
    assert not at.exception
    assert "was trained on these very classes" in words(at)
    at = button(at, "tune_measure")
    assert not at.exception
    table = at.dataframe[0].value
    assert list(table["On its frozen features"]) == [
        "Untrained head", "Nearest class mean", "k nearest neighbours", "Linear probe",
    ]  # fmt: skip
    assert "not CLIP's zero-shot" in words(at)
    assert at.button(key="tune_measure").disabled
    at = button(at, "tune_start")
    assert not at.exception
    (record,) = RunStore().list(group=param(at, "group"))
    assert record.group == data.group_of(record.settings().data.replace(image_size=32))
    config = record.settings()
    assert (config.train.tune, config.train.augment, config.model.init_from) == ("head", "none", f"{source}@{6}")
    assert config.data.classes == SHAPES


def test_full_fine_tuning_with_a_run_from_scratch_beside_it(open_page: OpenPage, source: str) -> None:
    at = filled(open_page("finetune"), [source])
    at.segmented_control(key="tune_part").set_value("all").run()
    at.toggle(key="tune_scratch").set_value(True)
    at.slider(key="tune_decay").set_value(0.5).run()
    assert at.button(key="tune_start").label == "Start 2 runs"
    at = button(at, "tune_start")
    assert not at.exception
    scratch, tuned = (record.settings() for record in RunStore().list(group=param(at, "group")))
    assert (tuned.train.tune, tuned.train.layer_decay, scratch.train.layer_decay) == ("all", 0.5, 1.0)
    assert (scratch.model.init_from, scratch.model.width) == (None, tuned.model.width)


def tuned_run(source: str, events_of: Callable[[RunConfig], list[Event]], **train: object) -> str:
    """A finished run from these weights on the pictures of `filled`; its group."""
    config = RunConfig(
        data=vx.DataConfig(dataset="shapes", classes=SHAPES, per_class=8),
        model=vx.ModelConfig(init_from=source),
        train=vx.TrainConfig(epochs=2, device="cpu", precision="fp32", threads=1, batch_size=8, evaluations=2, **train),
    )
    store, claimant = RunStore(), Claimant.this_process("cpu", "cpu")
    group = data.group_of(config.data)
    run = store.create(config, claimant, group=group)
    store.record_all(run, list(vx.fit(config)), claimant.worker)
    return group


def test_results_are_compared(open_page: OpenPage, source: str, events_of: Callable[..., list[Event]]) -> None:
    for part in ("head", "all"):
        group = tuned_run(source, events_of, tune=part)
    at = open_page("finetune", group=group)
    assert not at.exception
    assert at.multiselect(key="tune_classes").value == list(SHAPES)
    table = at.dataframe[0].value
    assert len(table) == 2
    assert table["Accuracy"].notna().all()
    assert table["Macro F1"].notna().all()
    assert not (table["Peak memory"] == "–").any()
    assert "F1 of each class" in words(at)
    assert "less between two is chance" not in words(at)  # there are test images enough
    links = [link.proto for link in at.get("page_link")]
    beside = [link for link in links if "beside its source" in link.label]
    assert len(beside) == 2
    assert "compare=source" in beside[0].query_string


def test_the_models_come_back_in_the_order_in_which_they_were_started(
    open_page: OpenPage, source: str, make_run: MakeRun
) -> None:
    sources = [source, f"run:{make_run()}"]
    at = button(filled(open_page("finetune"), sources), "tune_start")
    again = open_page("finetune", group=str(param(at, "group")))
    assert again.multiselect(key="tune_models").value == sources


def test_a_group_comes_back_with_what_was_trained(open_page: OpenPage, source: str) -> None:
    at = filled(open_page("finetune"), [source])
    at.segmented_control(key="tune_part").set_value("all").run()
    at.toggle(key="tune_scratch").set_value(True)
    at.number_input(key="tune_epochs").set_value(12.0)
    at.number_input(key="tune_lr").set_value(1e-4)
    at.slider(key="tune_decay").set_value(0.6).run()
    at = button(at, "tune_start")
    again = open_page("finetune", group=str(param(at, "group")))
    assert not again.exception
    assert again.segmented_control(key="tune_part").value == "all"
    assert again.toggle(key="tune_scratch").value
    assert again.number_input(key="tune_epochs").value == 12.0
    assert again.number_input(key="tune_lr").value == 1e-4
    assert again.slider(key="tune_decay").value == 0.6


def test_positions_stand_beside_those_of_the_source(
    open_page: OpenPage, source: str, events_of: Callable[..., list[Event]]
) -> None:
    tuned_run(source, events_of)
    run = RunStore().list()[0].id
    at = open_page("positions", model=f"run:{run}", step="0", compare="source")
    assert not at.exception
    titles = words(at)
    assert "which it began from" in titles
    assert "Step 0" in titles
    assert not at.error
    missing = source.removeprefix("run:")
    RunStore().delete(missing)
    at = open_page("positions", model=f"run:{run}", step="0", compare="source")
    assert not at.exception
    assert missing in words(at)


def test_a_group_that_is_not_there_is_a_sentence(open_page: OpenPage, source: str) -> None:
    at = open_page("finetune", group="tune-0123456789")
    assert not at.exception
    assert "no runs of the group" in words(at)
    assert param(at, "group") is None


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("bundled:none", "No bundled model"),
        ("nothing", "is no model reference"),
        ("/x.safetensors", "There is no file"),
    ],
)
def test_a_model_that_is_not_there_is_a_sentence(open_page: OpenPage, ref: str, said: str) -> None:
    at = filled(open_page("finetune"), [ref])
    assert not at.exception
    assert said in words(at)
    assert at.button(key="tune_start").disabled


def own(at: AppTest, path: Path | str, source: str) -> AppTest:
    at.session_state["tune_models"] = [source]
    at.selectbox(key="tune_dataset").set_value("folder").run()
    at.number_input(key="tune_per_class").set_value(None)
    return at.text_input(key="tune_path").set_value(str(path)).run()


def test_a_folder_of_ones_own(open_page: OpenPage, source: str, tmp_path: Path) -> None:
    folder = write_class_folders(tmp_path / "mine", 8)
    (folder / "apple" / "odd.png").write_bytes(b"no picture")
    at = own(open_page("finetune"), folder, source)
    assert not at.exception
    assert "3 classes: apple (9), bean (8), cherry (8)." in words(at)
    at = button(at, "tune_measure")
    assert not at.exception
    assert len(at.dataframe[0].value) == 4
    assert "1 of the pictures in mine could not be used" in words(at)
    assert "less between two is chance" in words(at)  # of a test on a few pictures


def test_what_is_wrong_with_a_folder_is_a_sentence(open_page: OpenPage, source: str, tmp_path: Path) -> None:
    at = own(open_page("finetune"), "", source)
    assert "Name a folder, or upload a zip" in words(at)
    one = write_class_folders(tmp_path / "one", 3, ("apple",))
    (tmp_path / "text.zip").write_text("no zip")
    few = write_class_folders(tmp_path / "few", 1)
    for path, said in (
        (tmp_path / "none", "There is no folder or zip"),
        (one, "needs two or more"),
        (tmp_path / "text.zip", "zip"),
        (few, "needs at least"),
    ):
        at = own(at, path, source)
        assert not at.exception
        assert said in words(at)
        assert at.button(key="tune_measure").disabled  # nothing that can only fail
        assert at.button(key="tune_start").disabled
    assert not own(at, write_class_folders(tmp_path / "mine", 8), source).button(key="tune_start").disabled


def test_a_zip_is_kept_and_a_full_disk_is_a_sentence(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "zipped"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / name / "0.png")
    content = Path(shutil.make_archive(str(tmp_path / "z"), "zip", folder)).read_bytes()
    assert Path(uploaded.save_upload(content)).parent == home / "data" / "uploads"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vit_explore.runs.files.os.replace", full)
    with pytest.raises(DiskFull):
        uploaded.save_upload(content + b"more")
