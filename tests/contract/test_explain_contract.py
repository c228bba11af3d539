"""Every card's example on every kind of model: it answers as promised, or says what would fit."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image
from small_models import CLASSES, KINDS, make, pictures
from torch import nn

import vit_explore as vx
from vit_explore.errors import NotApplicable
from vit_explore.explain import EXPLANATIONS, Explanation
from vit_explore.explain.catalogue import BUNDLED
from vit_explore.explain.geometry import geometry


def cards() -> list[Explanation]:
    """Every explanation there is: nothing is listed here."""
    return [card for _, card in EXPLANATIONS]


CARDS = cards()


@dataclasses.dataclass(frozen=True)
class Loaded:
    """As much of a LoadedModel as the examples use."""

    model: nn.Module
    classes: tuple[str, ...] = tuple("abcdefg")


def ask(card: Explanation, kind: str) -> dict[str, Any]:
    """The names after the card's example, asked of a small model: `result` among them."""
    height, width = KINDS[kind].size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    names = {"vx": vx, "torch": torch, "model": Loaded(make(kind)), "images": pictures(kind), "picture": picture}
    torch.manual_seed(0)
    exec(card.example, names)
    return names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
@pytest.mark.filterwarnings("ignore::vit_explore.errors.VitExploreWarning")
def test_it_answers_as_promised_or_says_what_would_fit(card: Explanation, kind: str) -> None:
    if card.needs not in KINDS[kind].fits:
        with pytest.raises(NotApplicable, match="choose") as caught:
            ask(card, kind)
        assert re.fullmatch(r"(?:[A-Z]|timm's )[^\n]*\.", str(caught.value))
        return
    names = ask(card, kind)
    net, untouched = names["model"].model, make(kind).state_dict()
    check_arrays(names["result"], allow_bytes=card.name == "patch_grid")
    check_shapes(card, names["result"], net, kind)
    assert all(torch.equal(untouched[name], value) for name, value in net.state_dict().items())
    assert isinstance(eval(card.figure, names), go.Figure)


def check_shapes(card: Explanation, result: Any, net: nn.Module, kind: str) -> None:
    """What the card says it gives; a letter that stands for no size known here must be the same wherever it is."""
    height, width = KINDS[kind].size
    known = {"B": 2, "L": 2, "C": CLASSES, "h": height, "w": width, "3": 3}
    if "patches" in KINDS[kind].fits:
        g = geometry(net, (height, width) if "images" in card.example else None)
        known |= {"gh": g.grid[0], "gw": g.grid[1], "N": g.n_tokens}
    if card.name == "patch_grid":
        known |= {"gh": height // 8, "gw": width // 8}
    promised = re.findall(r"(\.\w+)? ?\(([^)]*)\)", card.gives)
    assert promised or isinstance(result, float)
    for field, letters in promised:
        array = getattr(result, field[1:]) if field else result
        assert len(array.shape) == len(letters.split(", ")), (card.gives, array.shape)
        for letter, size in zip(letters.split(", "), array.shape, strict=True):
            assert known.setdefault(letter, size) == size, (card.gives, array.shape)


def check_arrays(result: Any, allow_bytes: bool) -> None:
    """float32 and finite, as a bare array or the fields of a frozen dataclass."""
    values = vars(result).values() if dataclasses.is_dataclass(result) else [result]
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    assert arrays or isinstance(result, float)
    for array in arrays:
        assert array.dtype == (np.uint8 if allow_bytes else np.float32)
        assert np.isfinite(array).all()


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_its_texts_are_there_for_the_page(card: Explanation) -> None:
    for text in (card.what_you_see, card.what_to_look_for, card.what_to_beware):
        assert 40 < len(text) < 400
        assert text[0].isupper()
        assert text.endswith((".", "?"))
    assert re.search(r"\d{4}|RISE", card.source)
    assert card.formula.count("{") == card.formula.count("}")
    assert len(re.findall(r"\\left(?![a-z])", card.formula)) == len(re.findall(r"\\right(?![a-z])", card.formula))
    assert card.function.__name__ == card.name
    assert card.function.__doc__
    assert card.cost
    assert card.name in vx.explain.__all__
    assert card.name in vx.plots.__all__
    assert re.match(rf"vx\.plots\.{card.name}\(", card.figure)
    assert f"vx.explain.{card.name}(" in card.example


def test_the_examples_run_as_they_are_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.jpg")
    bundled = vx.load_model(BUNDLED)
    resnet = vx.load_model("bundled:resnet-cifar10")
    gathering = dataclasses.replace(bundled, model=make("visual transformer"))
    known = {BUNDLED: bundled, resnet.ref: resnet}
    monkeypatch.setattr(vx, "load_model", lambda ref: known.get(ref, gathering), raising=False)
    for card in CARDS:
        names: dict[str, Any] = {}
        exec(f"{card.setting}\n{card.example}\nfigure = {card.figure}", names)
        assert isinstance(names["figure"], go.Figure)


def test_no_file_hides_a_function_of_its_name() -> None:
    package = importlib.import_module("vit_explore.explain")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for name in EXPLANATIONS.names():
        assert callable(getattr(vx.explain, name)), name
    assert set(EXPLANATIONS.names()) <= set(dir(vx.explain))
    with pytest.raises(AttributeError, match="nothing"):
        _ = vx.explain.nothing
