"""Through time: the film of any model with snapshots, its remarks and its files; a sentence for the others."""

from __future__ import annotations

import json

import pytest
from conftest import TINY, MakeRun, OpenPage
from streamlit.testing.v1 import AppTest
from test_inspection_pages import shown


def players(at: AppTest) -> list[dict]:
    """What the player was given."""
    return [json.loads(one.proto.json) for one in at.get("bidi_component") if "panels" in one.proto.json]


@pytest.mark.parametrize("model", ["vit", "resnet-slim", "hybrid", "visual-transformer"])
def test_a_run_of_any_kind_has_a_film(open_page: OpenPage, make_run: MakeRun, model: str) -> None:
    at = open_page("film", model=f"run:{make_run(config=TINY.update(model=model))}")
    assert not at.exception
    assert not at.error
    (data,) = players(at)
    assert data["steps"][0] == 0
    assert data["panels"][0]["name"] == "answers"
    assert ("attention" in [panel["name"] for panel in data["panels"]]) == (model in ("vit", "hybrid"))
    assert ("Not in this film" in shown(at)) == (model in ("resnet-slim", "visual-transformer"))


@pytest.mark.usefixtures("really_bundled")
def test_a_bundled_model_has_one_and_its_files(open_page: OpenPage) -> None:
    at = open_page("film", model="bundled:vit-minute", picture="sample:cat")
    assert not at.exception
    (data,) = players(at)
    assert len(data["steps"]) > 5
    assert [one.proto.label for one in at.get("download_button")] == ["As a page that plays", "GIF", "WebP"]


@pytest.mark.usefixtures("really_bundled")
def test_a_model_without_snapshots_is_led_to_one_that_has_some(open_page: OpenPage) -> None:
    at = open_page("film", model="timm:test_vit@random")
    assert not at.exception
    assert "A film needs the snapshots of a training, and timm\\:test\\_vit has none" in shown(at)
    assert any(button.label.startswith("Look at “") for button in at.button)
