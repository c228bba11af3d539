"""Every page with a chart offers to save it, once; a page without any does not."""

from __future__ import annotations

import pytest
from conftest import MakeRun, OpenPage


def offers(at: object) -> int:
    return len([one for one in at.expander if one.label == "Save a figure"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", ["positions", "filters", "attention"])
def test_a_page_with_charts_offers_them_once(open_page: OpenPage, make_run: MakeRun, page: str) -> None:
    at = open_page(page, model=f"run:{make_run()}", **({"tab": "attention_rollout"} if page == "attention" else {}))
    assert not at.exception
    assert offers(at) == 1
    which = [box for box in at.selectbox if box.key == "saving_which"]
    if len(at.get("plotly_chart")) > 1:
        assert len(which[0].options) == len(at.get("plotly_chart"))
        at = which[0].select_index(1).run()
        assert not at.exception
    (csv,) = [one for one in at.get("download_button") if one.proto.label == "CSV"]
    assert not csv.proto.disabled


def test_a_page_without_a_chart_offers_nothing(open_page: OpenPage) -> None:
    assert offers(open_page("runs")) == 0


def test_a_picture_has_no_numbers(open_page: OpenPage) -> None:
    at = open_page("patches", picture="sample:cat")
    assert offers(at) == 1
    boxes = [box for box in at.selectbox if box.key == "saving_which"]
    for i in range(len(boxes[0].options)):
        at = next(box for box in at.selectbox if box.key == "saving_which").select_index(i).run()
        assert not at.exception


def test_charts_that_say_the_same_can_be_told_apart(open_page: OpenPage, make_run: MakeRun) -> None:
    at = open_page("positions", model=f"run:{make_run()}")
    options = at.selectbox(key="saving_which").options
    assert len(options) > len({option.partition(" · ")[0] for option in options})  # two sides, alike in words
    assert len(set(options)) == len(options)


def test_a_choice_that_is_gone_gives_way(open_page: OpenPage, make_run: MakeRun) -> None:
    """The charts' keys hold the snapshot: sliding to another one leaves none of the old keys."""
    run = make_run()
    at = open_page("attention", model=f"run:{run}", tab="attention_rollout", compare="on")
    box = next(one for one in at.selectbox if one.key == "saving_which")
    assert len(box.options) == 2
    at = box.select_index(1).run()
    chosen = box.value
    at.select_slider(key="shell_step").set_value(1).run()
    assert not at.exception
    assert not at.error
    assert len(next(one for one in at.selectbox if one.key == "saving_which").options) == 2
    assert next(one for one in at.selectbox if one.key == "saving_which").value != chosen
