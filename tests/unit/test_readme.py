"""The README is true: its commands parse and the quick ones run, its Python runs, its pictures are there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from vit_explore.cli import _parser, main

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\.venv/bin/python -m vit_explore (.*)$", README, re.MULTILINE)
QUICK = [c for c in COMMANDS if "shapes" in c or c.endswith(" list")]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_parses(command: str) -> None:
    assert _parser().parse_args(shlex.split(command)).command


@pytest.mark.slow
@pytest.mark.parametrize("command", QUICK)
def test_the_quick_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write into the folder where they run
    assert main(shlex.split(command)) == 0


def test_the_printed_recipe_is_what_export_writes(tmp_path: Path) -> None:
    (printed,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert main(["export", "bundled:vit-shapes@0", "--out", str(tmp_path / "mine")]) == 0
    recipe = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))["timm_recipe"]
    assert recipe.startswith(printed)


def test_the_python_example_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # it writes a film
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    scope: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), scope)
    assert capsys.readouterr().out.split()[0] == "Started"
    assert type(scope["figure"]).__name__ == "Figure"


def test_there_are_exactly_two_set_up_commands() -> None:
    assert len(re.findall(r"^python3 -m venv ", README, re.MULTILINE)) == 2


def test_pictures_and_files_are_there() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README) + re.findall(r"`(vit_explore/[\w/.]+)`", README):
        assert (PROJECT / path).exists(), path


def test_nothing_is_left_to_fill_in() -> None:
    assert "NUMBERS" not in README
