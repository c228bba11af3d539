"""docs/findings.md: every lab is in it, and what the app quotes is what was measured."""

from __future__ import annotations

import re
from pathlib import Path

from vit_explore.labs.base import labs
from vit_explore.ui.pages.attention.familiar import MEASURED

PAGE = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")


def part(name: str) -> str:
    return PAGE.partition(f"<!-- {name} -->")[2].partition(f"<!-- end of {name} -->")[0]


def test_every_lab_that_changes_pictures_was_measured() -> None:
    for name, lab in labs:
        if lab.axis:
            assert f"**{lab.title}** (`{name}`)" in part("labs"), name
            assert " | ".join(f"{level:g}" for level in lab.levels) in part("labs"), name


def test_what_is_said_of_the_warning_was_measured() -> None:
    rows = [line.split("|")[1:-1] for line in part("outsiders").strip().splitlines()[2:]]
    photos = [row for row in rows if row[1].strip() == "cifar10"]
    found = sorted(int(row[7].strip().rstrip(" %")) for row in photos)
    own = {int(row[8].strip().rstrip(" %")) for row in photos}
    said = [int(number) for number in re.findall(r"(\d+)(?= to| %)", MEASURED)]
    assert said == [found[0], found[-1], *own]


def ranked(model: str) -> dict[str, list[float]]:
    """Method -> gain, lower and upper end, and likeness, of the table of a model; the best first."""
    table = part("ranking").partition(f"**{model}**")[2].partition("\n**")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][1:]
    return {row[0].strip(): [float(x) for x in re.findall(r"[+-]\d\.\d+", "".join(row[1:4]))] for row in rows}


def test_what_is_said_of_the_ranking_was_measured() -> None:
    vit, resnet, shapes = (ranked(f"bundled:{name}") for name in ("vit-cifar10", "resnet-cifar10", "vit-shapes"))
    assert {next(iter(vit)), next(iter(resnet))} == {"SmoothGrad"}
    beaten = [name for name, (_, low, *_) in resnet.items() if low <= 0]
    assert beaten == ["Guided backprop"]
    assert max(resnet, key=lambda name: resnet[name][3]) == "Guided backprop"
    assert list(vit)[-1] == "Saliency"
    assert list(resnet)[-2:] == ["Saliency", "Guided backprop"]
    attention = [name for name in vit if name in ("Raw attention", "Attention rollout", "Class relevance")]
    assert attention == ["Class relevance", "Attention rollout", "Raw attention"]
    assert list(vit).index("Grad-CAM") == len(vit) - 2
    assert list(resnet).index("Grad-CAM") < 4
    assert next(iter(shapes)) == "Class relevance"
    assert set(list(shapes)[-2:]) == {"Gradient SHAP", "Integrated gradients"}
    assert resnet["Grad-CAM"][3] < -0.4
    assert all(low > 0 for table in (vit, shapes) for _, low, *_ in table.values())


def test_what_is_said_of_the_labs_was_measured() -> None:
    words = PAGE.partition("<!-- labs -->")[0]
    shuffled = re.search(r"`shuffle`.*?\n\n(.*?)\n\n", part("labs"), re.S)
    assert shuffled is not None
    last = {row.split("|")[1].strip(): float(row.split("|")[-2]) for row in shuffled[1].splitlines()[2:]}
    assert last["bundled:vit-nopos-cifar10"] > 70
    assert 45 < last["bundled:vit-cifar10"] < 55  # "half of the shuffled pictures"
    assert 17 < last["bundled:resnet-cifar10"] < 23  # "a fifth"
    for name, kept in (("high_pass", ("72 %", "54 %")), ("fgsm", ("51 %", "37 %"))):
        sentence = re.search(rf"\(`{name}`\)\. (.*)", part("labs"))
        assert sentence is not None
        assert all(share in sentence[1] and share in words for share in kept)
