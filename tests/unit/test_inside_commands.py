"""The commands trust and lab: tables, JSON, and mistakes in one sentence."""

from __future__ import annotations

import json
import math

import pytest

from vit_explore.cli import main
from vit_explore.explain.heatmaps import heat_methods

SHAPES = "bundled:vit-shapes"
FEW = ("--images", "8", "--per-class", "8")


def test_trust_prints_a_table_and_what_it_comes_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", SHAPES, *FEW, "--methods", "attention,saliency", "--steps", "4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{SHAPES} on 8 validation images, of which the model gets ")
    for title in ("Raw attention", "Saliency", "Random patches", "Random pixels", "on the object"):
        assert title in out
    assert "The object covers" in out
    assert out.rstrip().splitlines()[-1].startswith(("Random wins", "Best over 8 images"))


def test_trust_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--methods", "relevance", "--explain", "label", "--precision", "fp32", "--json"]
    assert main(["trust", SHAPES, *FEW, *asked]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ref"], found["images"], found["explained"]) == (SHAPES, 8, "label")
    assert found["precision"] == "fp32"
    assert {row["method"] for row in found["rows"]} == {"relevance", "random"}
    row = next(row for row in found["rows"] if row["method"] == "relevance")
    low, high = row["interval"]
    assert low < row["gain"] < high
    assert len(row["like_shuffled"]) == found["sanity_images"] == 8


def test_lab_prints_a_table_and_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "shuffle", SHAPES, *FEW]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Shuffle the patches: ")
    assert "pieces along a side" in out
    assert "Expected: " in out
    assert main(["lab", "noise", SHAPES, SHAPES + "@0", *FEW, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [line["ref"] for line in found["lines"]] == [SHAPES, SHAPES + "@0"]
    assert len(found["lines"][0]["accuracy"]) == len(found["lines"][0]["levels"]) == 8
    assert all(line["kept"] is None or math.isfinite(line["kept"]) for line in found["lines"])


def test_a_lab_of_recorded_runs_needs_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "how-much-data"]) == 0
    assert "from 5,000 on the ViT is ahead" in capsys.readouterr().out
    assert main(["lab", "how-much-data", "--json"]) == 0
    assert [line["ref"] for line in json.loads(capsys.readouterr().out)["lines"]] == ["ViT", "hybrid", "ResNet"]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["trust", SHAPES, "--images", "0"], "--images 0 is not possible: at least 1 is needed"),
        (["trust", SHAPES, *FEW, "--methods", "salience"], "did you mean 'saliency'"),
        (["trust", SHAPES, *FEW, "--classes", "disc,star"], "The classes are not the same: disc, star and"),
        (["lab", "shifft", SHAPES], "did you mean 'shift'"),
        (["lab", "why", SHAPES], "The lab why trains its own runs; start it with: sweep why"),
        (["lab", "shift", SHAPES, "bundled:vit-cifar10", *FEW], "The classes are not the same: airplane"),
        (["lab", "shift", "run:nowhere"], "nowhere"),
        (["lab", "shift", "--json"], "The lab shift asks models; name one or more"),
        (["lab", "how-much-data", SHAPES], "asks recorded runs, and no models; leave out bundled:vit-shapes"),
    ],
)
def test_a_mistake_is_one_sentence(command: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.strip().splitlines()[-1].lstrip().startswith("error: ")  # where a bar was, it is gone


def test_every_method_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    names = [name for name in heat_methods.names() if "ReLU" not in heat_methods.get(name).needs]
    few = ("--images", "2", "--per-class", "8", "--steps", "2")
    assert main(["trust", SHAPES, *few, "--methods", ",".join(names), "--json"]) == 0
    assert {row["method"] for row in json.loads(capsys.readouterr().out)["rows"]} == set(names)
