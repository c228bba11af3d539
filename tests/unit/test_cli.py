"""The command line: a flag for every setting, exit statuses, one sentence for a mistake, and no page's libraries."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from run_tools import me, snapshot, started, tiny_config, tiny_dataset

from vit_explore import cli, flags
from vit_explore.config import flat_fields
from vit_explore.errors import BadConfig, DataUnavailable, TrainingFailed
from vit_explore.models import create_model
from vit_explore.presets import DEFAULT, presets
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Step

TINY = [
    "--dataset",
    "shapes",
    "--image-size",
    "8",
    "--width",
    "8",
    "--depth",
    "1",
    "--num-heads",
    "2",
    "--batch-size",
    "6",
    "--precision",
    "fp32",
    "--device",
    "cpu",
    "--epochs",
    "2",
    "--quiet",
]


@pytest.fixture
def tiny_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny dataset in place of every other."""
    monkeypatch.setattr("vit_explore.training.state.load_dataset", lambda *_: tiny_dataset())


def parse(*arguments: str) -> Any:
    return flags.config_from(cli._parser().parse_args(["train", *arguments]))


def example(name: str) -> tuple[list[str], Any]:
    """Arguments that set one field to something other than its default, and the value that it then has."""
    special = {
        "dataset": (["shapes"], "shapes"), "classes": (["cat,dog"], ("cat", "dog")), "path": (["/x"], "/x"),
        "model": (["resnet18"], "resnet18"), "pos_embed": (["sincos2d"], "sincos2d"), "pool": (["avg"], "avg"),
        "stem": (["conv"], "conv"), "mlp": (["local"], "local"), "augment": (["none"], "none"),
        "device": (["cpu"], "cpu"),
        "precision": (["fp32"], "fp32"), "image_size": (["64"], 64), "width": (["192"], 192), "num_heads": (["8"], 8),
        "patch_size": (["8"], 8), "optimizer": (["adamw"], "adamw"), "compiled": (["off"], "off"),
        "schedule": (["constant"], "constant"), "normalize": (["half"], "half"),
        "semantic_tokens": (["8"], 8), "init_from": (["run:3f2a@8"], "run:3f2a@8"), "tune": (["head"], "head"),
        "attend_over": (["batch"], "batch"), "norm": (["post"], "post"),
    }  # fmt: skip
    field = flat_fields()[name][2]
    flag = f"--{name.replace('_', '-')}"
    if field.annotation is bool:
        return [flag], True
    if name in special:
        words, value = special[name]
        return [flag, *words], value
    if "float" in str(field.annotation):
        return [flag, "0.25"], 0.25
    return [flag, "16"], 16


# ------------------------------------------------------------------ flags


@pytest.mark.parametrize("name", list(flat_fields()))
def test_every_setting_has_a_flag(name: str) -> None:
    section, key, _ = flat_fields()[name]
    base = getattr(getattr(presets.get(DEFAULT).config, section), key)
    arguments, expected = example(name)
    config = parse(*arguments)
    assert getattr(getattr(config, section), key) == expected != base


@pytest.mark.parametrize("name", presets.names())
def test_presets_are_taken_as_they_are(name: str) -> None:
    expected = presets.get(name).config
    config = parse("--preset", name)
    assert (config.data, config.train) == (expected.data, expected.train)
    assert config.model == expected.model


def test_flags_change_a_preset() -> None:
    config = parse("--preset", "shapes", "--epochs", "3", "--no-pretrained", "--name", "mine", "--per-class", "none")
    assert (config.name, config.train.epochs, config.train.seconds) == ("mine", 3, None)
    assert config.data.dataset == "shapes"
    assert config.data.per_class is None


def test_another_dataset_drops_the_presets_classes() -> None:
    assert parse().data.classes is not None
    assert parse("--dataset", "shapes").data.classes is None
    assert parse("--dataset", "cifar10").data.classes == parse().data.classes
    assert parse("--dataset", "shapes", "--classes", "a,b").data.classes == ("a", "b")
    assert parse("--classes", " cat , dog ").model.num_classes == 2


def test_two_budgets_are_one_too_many() -> None:
    with pytest.raises(BadConfig, match="given twice"):
        parse("--epochs", "3", "--seconds", "9")


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["train", "--help"])
    shown = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in shown for name in flat_fields())


# ------------------------------------------------------------------ exit statuses


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "--preset", "nimute"], "did you mean 'minute'"),
        (["train", "--batch-size", "many"], "--batch-size many is not possible: it takes a whole number from 1 to"),
        (
            ["train", "--patch-size", "5"],
            "does not divide the image size 32; choose one of 1, 2, 4, 8, 16, 32 (--patch-size, ",
        ),
        (["train", "--width", "98"], "is a multiple of 4 (--width, --num-heads)."),
        (["train", "--device", "cuda:9"], "There is no device 'cuda:9' here"),
        (["runs", "show", "abcd"], "There is no run 'abcd'"),
        (["runs", "delete", "abcd"], "There is no run 'abcd'"),
        (["runs", "resume", "abcd"], "There is no run 'abcd'"),
        (["data", "get", "cifar11"], "did you mean 'cifar10'"),
        (["export", "abcd", "--out", "x"], "There is no run 'abcd'"),
        (["worker", "--device", "gpu"], "There is no device 'gpu' here"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert RunStore().list() == []


@pytest.mark.parametrize(
    ("arguments", "usage", "sentence"),
    [
        (["train", "--learning-rate", "3"], "train", "unknown flag --learning-rate; did you mean --lr?"),
        (["train", "--learning-rate=3"], "train", "unknown flag --learning-rate; did you mean --lr?"),
        (["train", "--heads", "3"], "train", "unknown flag --heads; did you mean --num-heads?"),
        (["train", "--widht", "3"], "train", "unknown flag --widht; did you mean --width?"),
        (["train", "--num_heads", "3"], "train", "unknown flag --num_heads; did you mean --num-heads?"),
        (["train", "--batch", "3"], "train", "unknown flag --batch; did you mean --batch-size?"),
        (["train", "--zzz"], "train", "unknown flag --zzz"),
        (["train", "more"], "train", "unexpected argument 'more'"),
        (["runs", "list", "--jsn"], "runs list", "unknown flag --jsn; did you mean --json?"),
    ],
)
def test_an_unknown_flag_gets_a_suggestion_and_its_commands_usage(
    arguments: list[str], usage: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"usage: vit_explore {usage} [-h]")
    assert err.endswith(f"error: {sentence}\n")


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train", "--widht", "3"], ["runs", "show"], ["export"]])
def test_unknown_words_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


def test_training_that_never_began_leaves_no_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*_: object) -> None:
        raise DataUnavailable("No network here; do one of three things.")

    monkeypatch.setattr("vit_explore.training.state.load_dataset", offline)
    assert cli.main(["train", *TINY]) == 2
    assert capsys.readouterr().err == "error: No network here; do one of three things.\n"
    assert RunStore().list() == []


@pytest.mark.parametrize(
    ("error", "words"), [(TrainingFailed("Not finite."), "Not finite."), (KeyError("bug"), "KeyError")]
)
def test_a_failed_run_ends_with_1(
    tiny_data: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("vit_explore.training.loop.Trainer._train_step", fail)
    assert cli.main(["train", *TINY, "--json"]) == 1
    out, err = capsys.readouterr()
    (record,) = RunStore().list()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert record.state == "failed"
    assert words in (record.error or "")


# ------------------------------------------------------------------ train, runs


def test_train_ends_with_one_line_of_json(tiny_data: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *TINY, "--json"]) == 0
    out, _ = capsys.readouterr()
    result = json.loads(out.splitlines()[-1])
    assert list(result) == ["run", "test_top1", "macro_f1", "test_images", "params", "flops", "images_seen",
                            "images_per_second", "train_seconds", "device"]  # fmt: skip
    record = RunStore().get(result["run"])
    assert record.state == "finished"
    assert result["images_seen"] == 2 * 16 * 6
    assert result["test_top1"] == record.test_top1
    assert result["device"] == "cpu"


def test_train_shows_a_bar_and_a_summary(tiny_data: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *TINY[:-1]]) == 0
    out, err = capsys.readouterr()
    assert "test top-1" in out
    assert "%|" in err


def test_the_bar_moves_on_after_a_leap(monkeypatch: pytest.MonkeyPatch) -> None:
    from vit_explore.progress import Bar

    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar(quiet=False) as bar:
        for share, words in [(0.5, "resumed"), (0.51, "going on")]:
            time.sleep(0.25)
            bar.show(share, words)
    assert "resumed" in terminal.getvalue()
    assert "going on" in terminal.getvalue()


def test_ctrl_c_stops_and_resume_goes_on(
    tiny_data: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vit_explore.progress import Progress

    def interrupt(_self: Progress, event: object) -> None:
        if isinstance(event, Step) and event.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "__call__", interrupt)
        assert cli.main(["train", *TINY]) == 130
    (record,) = RunStore().list()
    assert record.state == "stopped"
    assert record.has_checkpoint
    assert f"runs resume {record.id}" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    assert cli.main(["runs", "resume", record.id, "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == record.id
    assert RunStore().steps(record.id)["step"].tolist() == list(range(1, 33))
    assert cli.main(["runs", "resume", record.id]) == 2
    assert "is finished" in capsys.readouterr().err


def test_runs_for_scripts_and_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, claimant = RunStore(), me()
    run = store.create(tiny_config(name="mine"), claimant)
    weights = create_model(started().model).state_dict()
    store.record_all(run, [started(), dataclasses.replace(snapshot(0), weights=dict(weights))])
    store.let_go(run, claimant.worker, "failed", "The loss became nan.")
    waiting = store.create(tiny_config())

    assert cli.main(["runs", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["run"], row["state"], row["place"]) for row in listed] == [
        (waiting, "queued", 1),
        (run, "failed", None),
    ]
    assert cli.main(["runs", "show", run, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["error"], shown["snapshots"], shown["config"]["model"]["width"]) == ("The loss became nan.", [0], 8)
    for command in (["runs", "list"], ["runs", "show", run]):
        assert cli.main(command) == 0
        assert "mine" in capsys.readouterr().out

    assert cli.main(["export", run, "--out", str(tmp_path / "w")]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "w.safetensors"), str(tmp_path / "w.json")]
    assert cli.main(["runs", "delete", run]) == 0
    assert [record.id for record in store.list()] == [waiting]


def test_a_list_of_some_runs(capsys: pytest.CaptureFixture[str]) -> None:
    store, claimant = RunStore(), me()
    running = store.create(tiny_config(), claimant, owner="ada", group="a race")
    waiting = [store.create(tiny_config()) for _ in range(3)]
    for flags_given, expected in (
        (["--state", "running"], [running]),
        (["--state", "running", "--state", "queued", "--limit", "3"], waiting[::-1]),
        (["--owner", "ada"], [running]),
        (["--group", "another"], []),
    ):
        assert cli.main(["runs", "list", "--json", *flags_given]) == 0
        assert [row["run"] for row in json.loads(capsys.readouterr().out)] == expected
    assert cli.main(["runs", "show", running]) == 0
    assert "  owner: ada\n  group: a race\n" in capsys.readouterr().out
    for flags_given, sentence in (
        (["--state", "runing"], "A run has no state 'runing'; its states are: queued, running,"),
        (["--limit", "0"], "give a limit of 1 or more"),
    ):
        assert cli.main(["runs", "list", *flags_given]) == 2
        assert sentence in capsys.readouterr().err


def test_data_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["shapes"]["available"] is True
    assert cli.main(["data", "list"]) == 0
    assert "shapes" in capsys.readouterr().out


# ------------------------------------------------------------------ what is not needed

WITHOUT_PAGES = f"""
import sys
import time
sys.path[:0] = [{str(Path(__file__).parents[2])!r}, {str(Path(__file__).parent)!r}]
for name in ("streamlit", "plotly", "captum"):
    sys.modules[name] = None
from vit_explore.cli import main
"""


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_training_needs_no_page_library() -> None:
    code = f"""
from run_tools import tiny_dataset
import vit_explore.training.state as state
state.load_dataset = lambda *_: tiny_dataset()
sys.exit(main(["train", *{TINY!r}, "--json"]))
"""
    done = run_python(WITHOUT_PAGES + code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["test_top1"] >= 0


def test_looking_at_runs_needs_no_torch() -> None:
    done = run_python(
        WITHOUT_PAGES + "sys.modules['torch'] = None\nsys.exit(main(['runs', 'list']) or main(['data', 'list']))"
    )
    assert done.returncode == 0, done.stderr


def test_the_module_runs() -> None:
    command, root = [sys.executable, "-m", "vit_explore", "runs", "show", "abcd"], Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_flag_before_its_command_is_told_where_it_belongs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--json", "runs", "list"])
    assert "--json comes too early; give it after 'runs list'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("to", "status", "said"), [("| true", 0, ""), ("> /dev/full", 2, "error: The output cannot be written")]
)
def test_a_reader_that_has_seen_enough_and_a_full_disk(tmp_path: Path, to: str, status: int, said: str) -> None:
    """Printing is buffered, as in any shell, so that the error may come at the very end."""
    RunStore(tmp_path).create(tiny_config())
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m vit_explore runs list {to}"],
        env={**os.environ, "VIT_EXPLORE_HOME": str(tmp_path), "PYTHONUNBUFFERED": ""}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_what_training_does_without_is_one_sentence_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: object) -> int:
        raise ModuleNotFoundError("No module named 'plotly'", name="plotly.graph_objects")

    monkeypatch.setattr(cli, "make_film", missing)
    assert cli.main(["film", "bundled:vit-shapes"]) == 2
    assert "needs plotly" in capsys.readouterr().err
