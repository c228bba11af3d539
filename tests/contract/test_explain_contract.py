"""Every explanation of the catalogue on every kind of model: it answers as promised, or says what would fit."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from small_models import CLASSES, KINDS, make, pictures
from torch import Tensor, nn

import vit_explore as vx
from vit_explore.errors import NotApplicable
from vit_explore.explain import EXPLANATIONS, Explanation
from vit_explore.explain.geometry import geometry

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Call:
    """How to ask, and the shape promised: G the grid, N the tokens, hw the image, for a batch of 2 and 2 layers."""

    ask: Callable[[nn.Module, Tensor], Any]
    shape: Callable[[Any, Shape], Shape] | None = None


def on_maps(name: str, *arguments: Any) -> Callable[[nn.Module, Tensor], Any]:
    return lambda net, x: getattr(vx.explain, name)(vx.explain.attention_maps(net, x), *arguments)


CALLS = {
    "patch_grid": Call(lambda net, x: vx.explain.patch_grid(np.zeros((*x.shape[2:], 3), np.uint8), 8)),
    "position_similarity": Call(lambda net, x: vx.explain.position_similarity(net)),
    "filter_components": Call(lambda net, x: vx.explain.filter_components(net)),
    "attention_maps": Call(lambda net, x: vx.explain.attention_maps(net, x)),
    "attention_rollout": Call(on_maps("attention_rollout"), lambda g, hw: (2, *g.grid)),
    "attention_distance": Call(on_maps("attention_distance", 8), lambda g, hw: (2, -1)),
    "attention_entropy": Call(on_maps("attention_entropy"), lambda g, hw: (2, -1)),
    "relevance": Call(lambda net, x: vx.explain.relevance(net, x), lambda g, hw: (2, *g.grid)),
    "grad_cam": Call(lambda net, x: vx.explain.grad_cam(net, x), lambda g, hw: (2, *hw)),
    "attribution": Call(lambda net, x: vx.explain.attribution(net, x, "saliency"), lambda g, hw: (2, *hw)),
    "faithfulness": Call(lambda net, x: vx.explain.faithfulness(net, x[0], np.eye(4))),
    "cka": Call(lambda net, x: vx.explain.cka(net(x.repeat(4, 1, 1, 1)), net(x.repeat(4, 1, 1, 1)))),
    "logit_lens": Call(lambda net, x: vx.explain.logit_lens(net, x), lambda g, hw: (2, 2, g.n_tokens, CLASSES)),
}
ROWS = [row for _, row in EXPLANATIONS]


def test_every_explanation_is_called_here() -> None:
    assert set(CALLS) == set(EXPLANATIONS.names()), "give a new explanation a line in CALLS"


def fits(row: Explanation, kind: str) -> bool:
    return row.needs in KINDS[kind].fits and (row.name != "position_similarity" or KINDS[kind].positions)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_answers_or_says_what_would_fit(row: Explanation, kind: str) -> None:
    net, images, call = make(kind), pictures(kind), CALLS[row.name]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    if not fits(row, kind):
        with pytest.raises(NotApplicable, match="choose") as caught:
            call.ask(net, images)
        assert re.fullmatch(r"[A-Z][^\n]*\.", str(caught.value))
        return
    result = call.ask(net, images)
    check_arrays(result, allow_bytes=row.name == "patch_grid")
    if call.shape is not None:
        hw = KINDS[kind].size
        wanted = call.shape(geometry(net, hw) if "patches" in KINDS[kind].fits else None, hw)
        assert len(result.shape) == len(wanted)
        assert all(w in (-1, s) for s, w in zip(result.shape, wanted, strict=True)), (result.shape, wanted)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def check_arrays(result: Any, allow_bytes: bool) -> None:
    """float32 and finite, as a bare array or the fields of a frozen dataclass."""
    values = vars(result).values() if dataclasses.is_dataclass(result) else [result]
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    assert arrays or isinstance(result, float)
    for array in arrays:
        assert array.dtype == (np.uint8 if allow_bytes else np.float32)
        assert np.isfinite(array).all()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_its_texts_are_there_for_the_page(row: Explanation) -> None:
    for text in (row.what_you_see, row.what_to_look_for, row.what_to_beware):
        assert 40 < len(text) < 400
        assert text[0].isupper()
        assert text.endswith((".", "?"))
    assert re.search(r"\d{4}|RISE", row.source)
    assert row.formula.count("{") == row.formula.count("}")
    assert len(re.findall(r"\\left(?![a-z])", row.formula)) == len(re.findall(r"\\right(?![a-z])", row.formula))
    assert row.function.__name__ == row.name
    assert row.function.__doc__


def test_no_file_hides_a_function_of_its_name() -> None:
    package = importlib.import_module("vit_explore.explain")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for name in EXPLANATIONS.names():
        assert callable(getattr(vx.explain, name)), name
    assert set(EXPLANATIONS.names()) <= set(dir(vx.explain))
    with pytest.raises(AttributeError, match="nothing"):
        _ = vx.explain.nothing
