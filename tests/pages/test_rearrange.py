"""Rearrange it, for models of any kind; the board itself is tried in a browser."""

from __future__ import annotations

import pytest
from conftest import TINY, MakeRun, OpenPage
from test_inspection_pages import shown


@pytest.mark.parametrize("model", ["vit", "resnet-slim", "hybrid"])
def test_a_model_answers_to_the_pieces(open_page: OpenPage, make_run: MakeRun, model: str) -> None:
    at = open_page("rearrange", model=f"run:{make_run(config=TINY.update(model=model))}")
    assert not at.exception
    assert not at.error
    assert "Of 16 pieces 0 lie elsewhere, 0 are turned, 0 are covered." in shown(at)
    assert "says **" in shown(at)


def test_a_model_of_timm_answers_too(open_page: OpenPage) -> None:
    at = open_page("rearrange", model="timm:test_vit@random", picture="sample:cat")
    assert not at.exception
    assert "says **" in shown(at)
