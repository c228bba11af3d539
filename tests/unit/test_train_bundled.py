"""The bundled models are trained anew by what their cards say, or by that with other settings."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
from run_tools import me

from vit_explore.runs.store import RunStore
from vit_explore.runs.stored import bundled_cards, bundled_steps

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_bundled.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_bundled", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", bundled_cards())
def test_a_card_gives_its_command(script: ModuleType, name: str) -> None:
    line = script.command(name, "")
    assert line.startswith("python -m vit_explore train --preset ")
    assert script.settings(line)["--name"] == name
    assert f"`{line}`" in (script.WEIGHTS / f"{name}.md").read_text(encoding="utf-8")


def test_settings_take_the_place_of_the_cards(script: ModuleType) -> None:
    line = script.command("vit-nopos-cifar10", "--seconds 300 --batch-size 256 --nesterov")
    found = script.settings(line)
    assert found["--seconds"] == "300"
    assert "--epochs" not in found  # a run has one budget
    assert found["--batch-size"] == "256"
    assert found["--pos-embed"] == "none"
    assert shlex.split(line)[-1] == "--nesterov"


def test_a_run_with_other_settings_is_not_taken_for_the_one_that_was_asked_for(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """A trial of an epoch must not be bundled with a card that says two hundred."""
    line, other = (script.command("vit-shapes", f"--epochs {epochs}") for epochs in (1, 200))
    home.mkdir(exist_ok=True)
    store = RunStore(home)
    started: list[list[str]] = []

    def train(words: list[str], **_: object) -> None:
        started.append(words)
        config = script.asked_for(shlex.join(["python", *words[1:]])).update(name="vit-shapes")
        store.let_go(store.create(config, claimant := me()), claimant.worker, "finished")

    monkeypatch.setattr(script.subprocess, "run", train)
    first = script.trained(home, line)
    assert script.trained(home, line).id == first.id
    assert len(started) == 1
    script.trained(home, other)
    assert len(started) == 2
    assert shlex.join(started[1]).endswith("--epochs 200")
    failed = store.create(script.asked_for(script.command("vit-shapes", "--epochs 3")), claimant := me())
    store.let_go(failed, claimant.worker, "failed", "the memory is spent")
    again = script.trained(home, script.command("vit-shapes", "--epochs 3"))
    assert (again.state, again.id != failed) == ("finished", True)


def test_a_name_that_does_not_come_with_the_package_is_refused(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "vit-nothing"])
    with pytest.raises(SystemExit):
        script.main()
    assert "vit-nothing does not come with the package; choose from" in capsys.readouterr().err


@pytest.mark.slow
def test_it_trains_writes_down_and_goes_on(script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ["vit-shapes", "--with=--epochs 1 --per-class 40 --device cpu", "--home", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *words, "--into", str(tmp_path / "weights")])
    for _ in range(2):  # the second finds the run finished
        script.main()
    card = (tmp_path / "weights" / "vit-shapes.md").read_text()
    assert "--preset shapes --name vit-shapes --epochs 1 --per-class 40" in card
    assert "training on cpu, " in card
    assert len(list((tmp_path / "weights" / "vit-shapes").glob("*.safetensors"))) == len(bundled_steps("vit-shapes"))
    assert len(list((tmp_path / "runs" / "vit-shapes" / "runs").iterdir())) == 1
