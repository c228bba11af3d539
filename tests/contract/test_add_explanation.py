"""A new explanation is a file with a function and a card and a file with its figure: found everywhere, no edit.

Its tab on the page is tested with the pages.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from test_explain_contract import ask, cards, check_arrays
from throwaway import EXPLAIN, add, add_explanation

import vit_explore as vx
from vit_explore.errors import UnknownName
from vit_explore.explain import EXPLANATIONS
from vit_explore.ui.kit.panel import of_explanation


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_explanation(tmp_path, monkeypatch)


def test_it_is_found_everywhere(added: None) -> None:
    assert "brightness_of" in vx.explain.__all__
    assert "brightness_of" in dir(vx.explain)
    assert "brightness_of" in vx.plots.__all__
    assert [card.title for card in cards() if card.name == "brightness_of"] == ["Brightness"]
    names = ask(EXPLANATIONS.get("brightness_of"), "resnet")
    check_arrays(names["result"], allow_bytes=False)
    assert isinstance(eval("vx.plots.brightness_of(result)", names), go.Figure)
    np.testing.assert_allclose(vx.explain.brightness_of(None, torch.ones(2, 3, 4, 4)), 1)
    note = of_explanation("brightness_of")
    assert note.cost == "nothing"
    assert note.example.endswith("result = vx.explain.brightness_of(model, images)\nvx.plots.brightness_of(result)")


def test_and_gone_with_its_file() -> None:
    with pytest.raises(UnknownName, match="no explanation named 'brightness_of'"):
        EXPLANATIONS.get("brightness_of")
    with pytest.raises(AttributeError, match="has no attribute 'brightness_of'"):
        _ = vx.explain.brightness_of


def test_a_name_that_is_taken_is_refused_with_both_places(
    added: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "vit_explore.explain", tmp_path / "more", "shine", EXPLAIN)
    with pytest.raises(ImportError, match=r"shine\.py offers 'brightness_of', a name that brightness\.py has already"):
        _ = vx.explain.relevance


def test_a_file_called_like_its_function_is_refused(
    added: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(
        monkeypatch,
        "vit_explore.explain",
        tmp_path / "more",
        "shine",
        '"""."""\n\n__all__ = ["shine"]\n\n\ndef shine(): ...\n',
    )
    with pytest.raises(ImportError, match=r"shine\.py offers 'shine', a name that the file shine\.py has already"):
        _ = vx.explain.shine


def test_a_card_that_must_be_computed_is_refused(added: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, "vit_explore.explain", tmp_path / "more", "shine", '"""."""\n\nCARD = make_card\n')
    with pytest.raises(ImportError, match=r"The CARD of shine\.py must be one call"):
        EXPLANATIONS.names()
