"""A dataset that fails to tell whether it is here: it is shown with its sentence, and takes nothing else along."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from vit_explore import cli
from vit_explore.config import DataConfig
from vit_explore.data import dataset_status, datasets
from vit_explore.data.base import DatasetStatus, Pool, Progress, Source
from vit_explore.errors import BadData

OpenPage = Callable[..., AppTest]


class Broken(Source):
    """Its folder holds something that it cannot read."""

    name, title, description = "broken", "A broken set", "It does not work."
    error: Exception = BadData("The folder of the broken set holds a file where a folder belongs; move it away.")

    def status(self) -> DatasetStatus:
        raise self.error

    def load(self, config: DataConfig, progress: Progress) -> Pool:
        raise self.error

    def prepare(self, progress: Progress) -> str:
        raise self.error


@pytest.fixture(autouse=True)
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "shapes" in datasets.names()  # the folder has been looked through
    monkeypatch.setitem(datasets._members, "broken", Broken)


def test_its_status_is_its_sentence() -> None:
    status = dataset_status("broken")
    assert (status.available, status.title) == (False, "A broken set")
    assert status.trouble == status.where == str(Broken.error)
    assert dataset_status("shapes").trouble == ""


def test_a_bug_in_it_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch, bugs: Callable[[], list[str]]) -> None:
    monkeypatch.setattr(Broken, "error", KeyError("labels"))
    assert dataset_status("broken").trouble.startswith(
        "The dataset 'broken' does not tell whether it is here (KeyError"
    )
    assert bugs()  # the log has its traceback


def test_the_list_of_datasets_names_it_beside_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["shapes"]["available"]
    assert listed["broken"]["where"] == str(Broken.error)


def test_home_and_train_work_and_say_it(open_page: OpenPage) -> None:
    at = open_page("home")
    assert not at.exception
    assert any("Cannot be used: A broken set; Train says why." in caption.value for caption in at.caption)
    at = open_page("train")
    at.selectbox(key="form_dataset").set_value("broken").run()
    assert not at.exception
    assert any("move it away" in warning.value for warning in at.warning)
    at.selectbox(key="form_dataset").set_value("shapes").run()
    assert not at.exception
    assert not at.warning
