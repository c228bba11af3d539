"""What a run will cost: memory against a measured peak, times by their parts, and something smaller that is sane."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from vit_explore import cli
from vit_explore.config import RunConfig
from vit_explore.errors import TrainingFailed
from vit_explore.presets import presets
from vit_explore.runs import foresee as foreseeing
from vit_explore.runs.foresee import foresee, known_rate
from vit_explore.runs.recorder import the_trainer
from vit_explore.runs.store import RunStore
from vit_explore.training import advice, memory, preflight
from vit_explore.training.advice import Memory, Preflight

ROOT = Path(__file__).resolve().parents[2]
MATMUL_RATE = preflight.matmul_rate  # below, each test has a machine of a known rate
HUGE = {"width": 1536, "patch_size": 2, "classes": None, "device": "cpu"}


def minute(**changes: Any) -> RunConfig:
    return presets.get("minute").config.update(**{"device": "cpu", **changes})


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 GB, 12 of them free, and 200 GFLOP/s."""
    monkeypatch.setattr(preflight, "memory_of_device", lambda _: (12 * 10**9, 16 * 10**9))
    monkeypatch.setattr(preflight, "matmul_rate", lambda _: 200e9)


# ------------------------------------------------------------------ memory

PEAK = """
import resource, sys
from pathlib import Path
import torch
import torch.nn.functional as F
from vit_explore.config import RunConfig
from vit_explore.models import create_model
from vit_explore.training.optimizers import make_optimizers

torch.set_num_threads(1)
config = RunConfig().update(**eval(sys.argv[1]))
status = Path("/proc/self/status")  # a process's own peak; getrusage's may be that of the process that made it

def peak():
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])

def train(images):
    model = create_model(config.model)
    optimizer = make_optimizers(model, config.model.card, config.train)
    for _ in range(2):
        x, y = torch.randn(images, 3, 32, 32), torch.zeros(images, dtype=torch.long)
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

train(2)  # what torch itself takes
before = peak()
train(config.train.batch_size)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"width": 192, "depth": 6, "patch_size": 4, "batch_size": 64},
        {"width": 96, "depth": 2, "patch_size": 2, "batch_size": 48, "optimizer": "adamw"},
        {"model": "resnet-slim", "batch_size": 192},
    ],
)
def test_memory_is_within_a_factor_of_the_measured_peak(changes: dict[str, Any]) -> None:
    output = subprocess.run(
        [sys.executable, "-c", PEAK, repr(changes)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    measured, found = int(output), memory.memory_of(RunConfig().update(**changes), images=0)
    assert found.activations > 50e6  # enough to be seen beside what torch takes
    assert 0.5 < found.total / measured < 2.0


def test_memory_follows_its_formulas() -> None:
    small, large = (memory.memory_of(minute(batch_size=size), images=1000) for size in (32, 64))
    assert large.activations == 2 * small.activations
    assert large.images == 1000 * 3 * 32 * 32
    assert large.weights == 2 * large.gradients
    adamw = memory.memory_of(minute(optimizer="adamw"), images=0)
    assert adamw.optimiser == 2 * adamw.gradients > large.optimiser > adamw.gradients
    moments = [memory.memory_of(minute(**changes), images=0).optimiser / adamw.gradients for changes in (
        {"optimizer": "adam"}, {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0, "ema": 0.99},
    )]  # fmt: skip
    assert moments == [2, 1, 1]


def test_nothing_is_built_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    real = preflight.create_model

    def only_meta(config: Any) -> torch.nn.Module:
        model = real(config)
        assert next(model.parameters()).is_meta
        return model

    for module in (preflight, memory):
        monkeypatch.setattr(module, "create_model", only_meta)
    found = preflight.estimate(minute(**HUGE, batch_size=512), 40_000, 10_000)
    assert (found.source, found.is_too_large, found.is_impossible) == ("matmul", True, True)
    assert "choose a smaller batch or model, or a larger patch" in (advice.refusal(found) or "")


def test_a_queued_run_that_cannot_fit_fails_with_the_sentence() -> None:
    with pytest.raises(TrainingFailed, match=r"needs about .* of memory and the device has 16\.0 GB in all"):
        the_trainer(minute(**HUGE, batch_size=4096), should_stop=lambda: False)


# ------------------------------------------------------------------ times


def test_a_usual_run_is_tried_and_is_sane() -> None:
    found = preflight.estimate(minute(width=16, depth=1, batch_size=8), 16_000, 4_000)
    assert found.source == "probe"
    assert found.step_seconds == pytest.approx(8 / found.images_per_second)
    assert found.steps == pytest.approx(60 / found.step_seconds)
    assert advice.warning(found, minute()) is None
    assert found.smaller is None
    assert torch.get_num_threads() > 0


def test_a_busy_machine_and_a_slow_model_are_not_tried() -> None:
    assert preflight.estimate(minute(), 16_000, 4_000, may_probe=False).source == "matmul"
    found = preflight.estimate(minute(**HUGE), 40_000, 10_000)
    assert found.source == "matmul"
    assert found.step_seconds > 10
    assert found.test_seconds == pytest.approx(10_000 / (3 * found.images_per_second))


def test_the_budget_in_epochs_counts_its_own_steps() -> None:
    assert preflight.estimate(minute(epochs=2), 640, 100, may_probe=False).steps == 20


@pytest.mark.parametrize("changes", [HUGE, {"batch_size": 8192, "device": "cpu"}, {"depth": 48, "width": 768}])
def test_the_smaller_suggestion_is_sane_and_not_needlessly_small(changes: dict[str, Any]) -> None:
    config = minute(**changes)
    found = preflight.estimate(config, 40_000, 10_000, may_probe=False)
    assert found.is_slow or found.is_too_large
    assert found.smaller
    smaller = preflight.estimate(config.update(**found.smaller), 40_000, 10_000, may_probe=False)
    assert advice.warning(smaller, config) is None
    assert smaller.step_seconds > 0.002


def test_nothing_smaller_is_offered_where_nothing_helps() -> None:
    found = preflight.estimate(minute(model="resnet50", image_size=256, seconds=0.1), 16_000, 4_000, may_probe=False)
    assert found.is_slow
    assert found.smaller is None


# ------------------------------------------------------------------ what is known of this machine


def test_a_run_like_it_tells_better(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore()
    monkeypatch.setattr(RunStore, "list", lambda *_, **__: [record(minute(), 1234.0)])
    assert known_rate(minute(seed=5, lr=0.1), store) == 1234.0
    assert known_rate(minute(width=192), store) is None
    assert known_rate(minute(batch_size=32), store) is None
    found = foresee(minute(), store)
    assert (found.source, found.images_per_second) == ("run", 1234.0)


def test_own_pictures_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, count in (("boot", 50), ("shoe", 50), ("other", 900)):
        (tmp_path / "shoes" / name).mkdir(parents=True)
        for number in range(count):
            (tmp_path / "shoes" / name / f"{number}.png").touch()
    own = minute(dataset="folder", path=str(tmp_path / "shoes"), image_size=512, patch_size=64)
    assert foreseeing.images_of(own.update(classes=["boot", "shoe"])) == (2, 64, 20)
    assert foreseeing.images_of(own.update(classes=None)) == (3, 640, 200)
    assert foreseeing.images_of(own.update(classes=None, per_class=20)) == (3, 60, 200)
    (tmp_path / "split" / "test" / "boot").mkdir(parents=True)
    (tmp_path / "split" / "test" / "boot" / "1.png").touch()
    (tmp_path / "shoes").rename(tmp_path / "split" / "train")
    split = own.update(path=str(tmp_path / "split"), classes=["boot", "shoe"], val_fraction=0.1)
    assert foreseeing.images_of(split) == (2, 90, 1)
    words = ["train", "--dataset", "folder", "--path", str(tmp_path / "nowhere"), "--epochs", "1", "--dry-run"]
    assert cli.main(words) == 2
    assert "There is no folder or zip" in capsys.readouterr().err


def record(config: RunConfig, rate: float) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(config=config, images_per_second=rate)


def test_a_run_in_training_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(preflight, "estimate", lambda *arguments: asked.append(arguments[3]))
    foreseeing.foresee(minute(), RunStore())
    monkeypatch.setattr(RunStore, "states", lambda _: {"running": 1})
    foreseeing.foresee(minute(), RunStore())
    assert asked == [True, False]


# ------------------------------------------------------------------ words


def test_words() -> None:
    memory = Memory(10**9, 10**9, 10**8, 10**9, 10**8)
    slow = Preflight(40.0, 3700.0, 1.6, 1.5, memory, 10**10, 2 * 10**10, "matmul")
    assert advice.short(slow) == "about 40 s a step · 1.6 images/s · 3.2 GB"
    said = advice.warning(slow, minute()) or ""
    assert "About 40 s a step here, so 2 steps in its 60 s; a test on all images would take 62 min" in said
    tight = Preflight(0.03, 2.0, 1900.0, 2000.0, memory, 10**9, 2 * 10**10, "probe")
    assert advice.warning(tight, minute()) == "It needs about 3.2 GB of memory and 1.0 GB are free."
    assert advice.refusal(tight) is None


def test_a_run_of_hours_says_how_many() -> None:
    found = Preflight(0.5, 20.0, 128.0, 20_000.0, Memory(10**8, 10**8, 10**8, 10**8, 10**8), 10**10, 10**10, "run")
    epochs = minute(epochs=5)
    assert advice.whole(found, epochs) == "about 2.8 h: 20,000 steps of 0.5 s, 0.5 GB"
    assert advice.is_long(found, epochs)
    assert not advice.is_long(found, minute())
    assert advice.whole(found, minute()).startswith("60 s: ")


def test_a_step_of_many_weights_is_not_taken_for_one_of_many_images() -> None:
    """Half a second for the weights and 10 ms for an image: a batch of 64 takes 1.1 s, not 16 s."""
    tried = [(2, 0.52), (4, 0.54)]
    assert preflight._whole_batch(tried, 64, least=0.001) == pytest.approx(1.14)
    assert preflight._whole_batch([(2, 0.52), (4, 0.5)], 64, least=0.001) == pytest.approx(0.56)  # noise
    assert preflight._whole_batch([*tried, (64, 1.2)], 64, least=0.001) == 1.2
    assert preflight._whole_batch([(2, 0.5)], 2, least=0.001) == 0.5


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0034, "3.4 ms"),
        (0.03, "30 ms"),
        (0.5, "0.5 s"),
        (40, "40 s"),
        (600, "10 min"),
        (9000, "2.5 h"),
        (9e5, "10 days"),
    ],
)
def test_times_are_said_in_two_figures(seconds: float, words: str) -> None:
    assert advice.took(seconds) == words


# ------------------------------------------------------------------ the command line

FLAGS = ["--classes", "none", "--width", "1536", "--patch-size", "2", "--device", "cpu"]


def test_a_dry_run_prints_and_makes_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *FLAGS, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "a step: about" in out
    assert "by this machine's rate of matrix products" in out
    assert "try: --width" in out
    assert err == ""
    assert cli.main(["train", *FLAGS, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "matmul"
    assert RunStore().list() == []


def test_what_cannot_fit_is_refused_before_anything_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *FLAGS, "--batch-size", "4096"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: This run needs about")
    assert RunStore().list() == []


def test_a_linear_probe_costs_its_features_and_next_to_nothing_else() -> None:
    config = RunConfig().update(epochs=2, tune="head")
    found = preflight.estimate(config, 10_000, 2_000, may_probe=False)
    whole = preflight.estimate(RunConfig().update(epochs=2), 10_000, 2_000, may_probe=False)
    assert 0 < found.features_seconds < whole.steps * whole.step_seconds
    assert found.step_seconds < whole.step_seconds
    assert found.memory.total < whole.memory.total
    assert advice.short(found).startswith("features once in about")
    assert advice.warning(preflight.estimate(config, 30, 20, may_probe=False), config) is None
    large = preflight.estimate(config.update(width=768, depth=12, num_heads=12), 10**6, 2_000, may_probe=False)
    assert "features of its images take" in (advice.warning(large, config) or "")


def test_a_busy_moment_does_not_make_the_machine_slow_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_rates", {})
    device, rates = torch.device("cpu"), []
    for seconds, again in ((0.5, 10.0), (0.01, 10.0), (0.01, -1.0), (0.5, -1.0)):
        monkeypatch.setattr(preflight, "_seconds", lambda work, device, seconds=seconds: seconds)
        monkeypatch.setattr(preflight, "LOOKS_AGAIN", again)
        rates.append(MATMUL_RATE(device))
    assert rates[0] == rates[1]  # it is not looked for each time
    assert rates[2] == rates[3] == pytest.approx(50 * rates[0])
