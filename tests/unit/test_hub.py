"""Weights to the hub: what is sent, and what a refusal says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import sqlalchemy as sa
import yaml
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from run_tools import me, tiny_config, tiny_trainer
from safetensors.torch import load

from vit_explore import cli
from vit_explore.runs import schema
from vit_explore.runs.references import load_model
from vit_explore.runs.store import RunStore


class Hub:
    """In place of the hub: keeps what it was sent, or refuses."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.repos: dict[str, bool] = {}
        self.files: dict[str, bytes] = {}

    def __call__(self, **_: Any) -> Hub:
        return self

    def create_repo(self, repo: str, private: bool, exist_ok: bool) -> Any:
        if self.refusal is not None:
            raise self.refusal
        self.repos[repo] = private

        class Made(str):
            repo_id = repo

        return Made(f"https://hub.example/{repo}")

    def create_commit(self, repo: str, operations: list[Any], commit_message: str) -> None:
        assert commit_message
        self.files = {one.path_in_repo: one.path_or_fileobj for one in operations}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", fake)
    return fake


def trained() -> str:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(name="mine"), claimant)
    store.record_all(run, list(tiny_trainer(store.get(run).settings()).events()))
    store.let_go(run, claimant.worker, "finished")
    return run


def test_a_run_is_sent_with_its_card(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained()
    assert cli.main(["export", run, "--push", "me/tiny"]) == 0
    assert "https://hub.example/me/tiny" in capsys.readouterr().out
    assert hub.repos == {"me/tiny": True}
    assert set(hub.files) == {"model.safetensors", "model.json", "README.md"}
    card = hub.files["README.md"].decode()
    head, text = card.split("---\n")[1:]
    assert yaml.safe_load(head)["pipeline_tag"] == "image-classification"
    assert f"{RunStore().get(run).test_top1:.1%}" in text
    assert "python -m vit_explore train" in text
    sent = load(hub.files["model.safetensors"])
    assert set(sent) == set(load_model(f"run:{run}").model.state_dict())


def test_a_bundled_model_is_sent_with_the_card_that_it_has(hub: Hub) -> None:
    assert cli.main(["export", "bundled:vit-shapes", "--push", "me/shapes", "--public"]) == 0
    assert hub.repos == {"me/shapes": False}
    assert "# ViT on Shapes" in hub.files["README.md"].decode()


@pytest.mark.parametrize(
    "refusal",
    [
        LocalTokenNotFoundError("Token is required"),
        HfHubHTTPError("403 Forbidden", response=SimpleNamespace(headers={}, status_code=403, request=None, text="")),  # type: ignore[arg-type]
        OSError("no network"),
    ],
)
def test_a_refusal_is_one_sentence(hub: Hub, capsys: pytest.CaptureFixture[str], refusal: Exception) -> None:
    hub.refusal = refusal
    assert cli.main(["export", "bundled:vit-shapes", "--push", "me/x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: The hub did not take me/x")
    assert "Traceback" not in said


def test_what_cannot_be_sent_is_one_sentence(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = RunStore().create(tiny_config())
    for arguments in (
        ["export", waiting, "--push", "me/x"],
        ["export", "timm:resnet18", "--push", "me/x"],
        ["export", "bundled:vit-shapes"],
    ):
        assert cli.main(arguments) == 2
        assert capsys.readouterr().err.startswith("error: ")
    assert hub.repos == {}


def test_weights_of_a_step_before_the_end_are_not_called_the_end(hub: Hub) -> None:
    run = trained()
    last = RunStore().get(run).step
    for ref, step in ((f"{run}@0", 0), (run, None), (f"{run}@{last}", None), ("bundled:vit-shapes@0", 0)):
        assert cli.main(["export", ref, "--push", "me/tiny"]) == 0
        card = hub.files["README.md"].decode()
        assert (f"**These are the weights of step {step}**" in card) == (step is not None)
        assert ("These are the weights" in card) == (step is not None)


def test_a_card_names_the_device_of_the_run(hub: Hub) -> None:
    """Not that of the machine which sends it."""
    run = trained()
    with RunStore()._writing() as connection:
        connection.execute(sa.update(schema.runs).values(device="cuda:0 (NVIDIA T4)"))
    assert cli.main(["export", run, "--push", "me/tiny"]) == 0
    assert "of training on cuda:0 (NVIDIA T4)" in hub.files["README.md"].decode()


def test_nothing_is_published_where_the_file_cannot_be_written(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").touch()
    assert cli.main(["export", "bundled:vit-shapes", "--push", "me/x", "--out", str(tmp_path / "mine")]) == 2
    assert "mine.json" in capsys.readouterr().err
    assert hub.files == {}
