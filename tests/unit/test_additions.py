"""One place to add a thing: a copy of the package gets a throw-away one of each kind, and everything finds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MODEL = '''
"""AlexNet's idea, tiny: convolutions and a head."""
from vit_explore.cards import Card, Knob, cards

def build(config):
    from torch import nn
    return nn.Sequential(
        nn.Conv2d(3, config.width, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(config.width, config.num_classes),
    )

cards.register("throwaway")(Card(
    "throwaway", "Throw-away", "thrown", "A test.", "None 2026", build,
    knobs=(Knob("width", le=200), Knob("pool", choices=("avg", "cls"))), answers=frozenset({"filters"}),
))
'''
DATASET = '''
"""Noise in two classes."""
import numpy as np
from vit_explore.data.base import Pool, Source, Split, datasets
from vit_explore.data.splits import validation_size

@datasets.register("throwaway")
class Throwaway(Source):
    name, title, description, classes = "throwaway", "Throw-away", "Two kinds of noise.", ("low", "high")

    def load(self, config, progress):
        progress("Making noise", 0.5)
        def split(count, seed):
            labels = np.arange(2 * count, dtype=np.int64) % 2
            rng = np.random.default_rng((config.seed, seed))
            images = rng.integers(0, 120, (2 * count, 3, config.image_size, config.image_size))
            return Split((images + 120 * labels[:, None, None, None]).astype(np.uint8), labels)

        wanted = config.per_class or 50
        return Pool(self.classes, split(wanted + validation_size(wanted, config.val_fraction), 0), split(20, 1))

    def status(self):
        return self._status(True, "made up")

    def prepare(self, progress):
        return "made up"
'''
RULE = '''
"""Plain gradient descent."""
from vit_explore.cards import Rule, rules

def make(model, card, train):
    import torch
    return {"throwaway": torch.optim.SGD(model.parameters(), lr=train.lr)}

rules.register("throwaway")(Rule("throwaway", "plain gradient descent", make))
'''
GRID = '''
"""Two widths."""
from vit_explore.config import RunConfig
from vit_explore.sweeps.definition import Cell, Sweep, add

add(Sweep(
    "throwaway", "Throw-away", "Wide or narrow?", "width", "", (Cell("narrow", "all", RunConfig().update(width=48)),
    Cell("wide", "all", RunConfig().update(width=96))), "", "All of it.", "Nothing.",
))
'''
LAB = '''
"""Nothing is asked."""
from vit_explore.labs.base import Lab, LabResult, labs
from vit_explore.told import Progress

def run(refs, images):
    yield Progress(0.5, "thinking")
    yield LabResult("throwaway", "Why?", "Because.", ())

labs.register("throwaway")(Lab("throwaway", "Throw-away", "Why?", run))
'''
HEAT = '''
"""The left half."""
import numpy as np
from vit_explore.explain.heatmaps import heat_method

__all__ = []

@heat_method("throwaway", title="Throw-away", about="A test.", source="None 2026", needs="any", passes=0, is_fine=True)
def left_half(asked):
    n, _, h, w = asked.images.shape
    return np.broadcast_to(np.arange(w)[::-1] >= w // 2, (n, h, w)).astype(np.float32)
'''
SETTING = '    throwaway: float = setting(0.25, "A throw-away share.", ge=0, le=1, label="Throw-away share")\n'

CHECK = """
import contextlib, io, sys
from vit_explore import cli
from vit_explore.cards import answers_all, card_of, rivals
from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadConfig
assert "torch" not in sys.modules

out = io.StringIO()
with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
    cli.main(["train", "--help"])
help_text = " ".join(out.getvalue().split())
assert "Known: cifar10, cifar100, folder, shapes, throwaway" in help_text, help_text
known = help_text.partition("any timm model. Known: ")[2].partition(" (minute")[0]
assert "throwaway" in known.split(", "), help_text
assert "throwaway: plain gradient descent" in help_text, help_text
assert "--throwaway X A throw-away share (minute: 0.25)" in help_text, help_text
parsed = cli._parser().parse_args(["train", "--throwaway", "0.5", "--model", "throwaway", "--optimizer", "throwaway"])
from vit_explore.flags import config_from
assert config_from(parsed).train.throwaway == 0.5
assert "torch" not in sys.modules

from vit_explore.sweeps import sweeps
from vit_explore.sweeps.definition import on_page
assert len(sweeps.get("throwaway").runs()) == 6 and "throwaway" in [one.name for one in on_page(sweeps)]
import vit_explore as vx
assert [*vx.labs.run("throwaway")][-1].verdict == "Because."

from vit_explore.ui import site
from vit_explore.ui.kit import forms
from vit_explore.ui.pages.versus import comparison
made = forms.widgets()
assert "throwaway" in made["model"].options and "throwaway" in made["optimizer"].options
assert "throwaway" in made["dataset"].options
assert (made["throwaway"].kind, made["throwaway"].label) == ("number", "Throw-away share")
assert made["width"].applies("throwaway") and not made["depth"].applies("throwaway")
assert made["pool"].options_for("throwaway") == ("avg", "cls")
run = RunConfig()
assert forms.changes(run.update(throwaway=0.5), run) == ["Throw-away share 0.5 (was 0.25)"]
assert comparison.differences(run, run.update(throwaway=0.5)) == ["throw-away share"]
try:
    ModelConfig(architecture="throwaway", width=300)
except BadConfig as error:
    assert str(error) == "width = 300 is not possible: throwaway takes 200 at most.", error
else:
    raise AssertionError("a width of 300 passed")

card = card_of("throwaway")
assert "throwaway" in rivals("vit") and not answers_all(card)
assert [page.name for page in site.offered(card)] == ["filters"]
from vit_explore.plots import theme
assert theme.role_colour(card.family) in theme.OTHERS

import torch
net = vx.create_model(ModelConfig(width=16, depth=1, num_heads=2)).eval()
assert vx.explain.heatmap(net, torch.zeros(1, 3, 32, 32), "throwaway").sum() == 512
ranking = vx.trust.rank(net, torch.randn(2, 3, 32, 32), methods=["throwaway"], sanity_images=0)
assert "Throw-away" in [score.title for score in ranking.scores]

from vit_explore.runs.naming import describe
from vit_explore.training import Finished, fit
run = run.update(dataset="throwaway", model="throwaway", optimizer="throwaway", epochs=4, lr=0.1, warmup_fraction=0)
assert describe(run) == "throwaway · throwaway · 4 epochs", describe(run)
(end,) = [event for event in fit(run.update(device="cpu", batch_size=10)) if isinstance(event, Finished)]
assert end.test_top1 > 0.9, end.test_top1
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one file more for a model, a dataset and an optimiser, and one line for a setting."""
    root = tmp_path_factory.mktemp("extended")
    for part in ("vit_explore", "tests"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    package = root / "vit_explore"
    (package / "models" / "throwaway.py").write_text(MODEL)
    (package / "data" / "sources" / "throwaway.py").write_text(DATASET)
    (package / "training" / "rules" / "throwaway.py").write_text(RULE)
    (package / "sweeps" / "grids" / "throwaway.py").write_text(GRID)
    (package / "labs" / "throwaway.py").write_text(LAB)
    (package / "explain" / "throwaway.py").write_text(HEAT)
    config = package / "config" / "train.py"
    before, mark, after = config.read_text().partition("    @model_validator")
    config.write_text(f"{before}{SETTING}\n{mark}{after}")
    return root


def run_in(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root), "VIT_EXPLORE_HOME": str(root / "home")}
    return subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_a_new_thing_is_found_everywhere(extended: Path) -> None:
    done = run_in(extended, "-c", CHECK)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_new_thing_is_tested_because_it_exists(extended: Path) -> None:
    done = run_in(extended, "-m", "pytest", "tests/contract", "-k", "throwaway", "-vv", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    passed = [line for line in done.stdout.splitlines() if "throwaway" in line and "PASSED" in line]
    for file in ("test_models.py", "test_datasets.py", "test_rules.py"):
        assert any(file in line for line in passed), done.stdout
