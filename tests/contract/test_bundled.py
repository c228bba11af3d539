"""Every model in the box opens at each of its steps, says what it is, and is small."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import torch

from vit_explore.cli import _parser
from vit_explore.config import DataConfig
from vit_explore.data import dataset_status, load_dataset
from vit_explore.data.images import sample_images
from vit_explore.data.sources import shapes
from vit_explore.flags import config_from
from vit_explore.models import summarise
from vit_explore.runs.references import (
    available_references,
    bundled_facts,
    find_stored,
    load_model,
    parse_reference,
    snapshot_steps,
)
from vit_explore.runs.stored import WEIGHTS
from vit_explore.training.devices import Numerics
from vit_explore.training.evaluate import evaluate

NAMES = [path.stem for path in sorted(WEIGHTS.glob("*.json"))]


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_at_each_step(name: str) -> None:
    loaded = load_model(f"bundled:{name}")
    image = torch.zeros(1, 3, loaded.image_size, loaded.image_size)
    assert loaded.model(image).shape == (1, len(loaded.classes))
    steps = snapshot_steps(f"bundled:{name}")
    assert steps[0] == 0
    last = load_model(f"bundled:{name}@{steps[-1]}")
    assert torch.equal(last.model(image), loaded.model(image))
    assert not torch.equal(load_model(f"bundled:{name}@0").model(image), loaded.model(image))


@pytest.mark.parametrize("name", NAMES)
def test_its_card_gives_command_seed_and_result(name: str) -> None:
    card = (WEIGHTS / f"{name}.md").read_text(encoding="utf-8")
    for word in (
        "python -m vit_explore train",
        "seed",
        "data: ",
        "validation top-1",
        "test top-1",
        "macro F1",
        "cores",
    ):
        assert word in card
    assert "limits" in card
    command = shlex.split(next(re.finditer(r"`python -m vit_explore (train .*)`", card)).group(1))
    config = config_from(_parser().parse_args(command))
    loaded = find_stored(parse_reference(f"bundled:{name}")).config
    assert config.model.replace(num_classes=loaded.num_classes, image_size=loaded.image_size) == loaded


def test_the_box_holds_what_the_pages_need() -> None:
    assert next(o.ref for o in available_references() if o.ref.startswith("bundled:")) == "bundled:vit-cifar10"
    configs = {name: find_stored(parse_reference(f"bundled:{name}")).config for name in NAMES}
    vit, resnet, blind = (configs[name] for name in ("vit-cifar10", "resnet-cifar10", "vit-nopos-cifar10"))
    assert (vit.stem, vit.pos_embed, blind.pos_embed) == ("patch", "learned", "none")
    assert vit.replace(pos_embed="none") == blind
    assert summarise(resnet).params == pytest.approx(summarise(vit).params, rel=0.01)
    assert len(snapshot_steps("bundled:vit-minute")) >= 8
    assert load_model("bundled:vit-shapes").classes == tuple(shapes.SHAPES)


def test_the_box_is_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*")) < 30 * 2**20


@pytest.mark.slow
def test_the_vit_is_as_good_as_its_card_says(real_data: object) -> None:
    loaded = load_model("bundled:vit-cifar10")
    test = load_dataset(DataConfig()).test
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (loaded.mean, loaded.std))
    result = evaluate(loaded.model, test.images[:2000], test.labels[:2000], mean, std, Numerics("fp32", True))
    said = json.loads((WEIGHTS / "vit-cifar10.json").read_text(encoding="utf-8"))["test_top1"]
    assert said >= 0.8
    assert result.top1 == pytest.approx(said, abs=0.03)  # three standard errors of 2,000 images


@pytest.mark.parametrize("name", ["vit-cifar10", "vit-minute", "vit-nopos-cifar10", "resnet-cifar10"])
def test_the_first_sample_is_a_cat_to_the_models_of_cifar(name: str) -> None:
    loaded = load_model(f"bundled:{name}")
    logits = loaded.model(loaded.preprocess(sample_images()["cat"]))
    assert loaded.classes[int(logits.argmax())] == "cat"


@pytest.mark.parametrize("name", NAMES)
def test_the_card_names_the_data(name: str) -> None:
    data = DataConfig(**bundled_facts(name)["data"])
    assert load_model(f"bundled:{name}").classes == (data.classes or dataset_status(data.dataset).classes)
