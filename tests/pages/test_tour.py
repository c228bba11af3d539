"""The tour: every stop stands, its control moves its figure, and one finds back to where one was. And the glossary."""

from __future__ import annotations

import re

import pytest
from conftest import OpenPage, param
from test_inspection_pages import shown

from vit_explore.ui import site
from vit_explore.ui.pages.glossary.page import matching
from vit_explore.ui.pages.glossary.terms import TERMS
from vit_explore.ui.pages.tour.page import STOPS

pytestmark = pytest.mark.usefixtures("really_bundled")


@pytest.mark.parametrize("at", range(len(STOPS)))
def test_a_stop_has_a_text_a_control_a_figure_and_an_answer(open_page: OpenPage, at: int) -> None:
    at_stop = open_page("tour", stop=str(at + 1))
    assert not at_stop.exception
    assert not at_stop.error
    said = shown(at_stop)
    assert STOPS[at].question in said
    assert STOPS[at].answer in said
    controls = [one for kind in ("slider", "select_slider", "selectbox", "button_group") for one in at_stop.get(kind)]
    assert [one for one in controls if (one.key or "").startswith("tour_")]
    assert at_stop.get("plotly_chart") or at_stop.get("image")
    assert STOPS[at].more in {page.name for page in site.PAGES}


def test_one_goes_on_and_back_and_finds_ones_place(open_page: OpenPage) -> None:
    at = open_page("tour")
    assert "Stop 1 of 10" in str([one.proto.text for one in at.get("progress")])
    at.button(key="tour_next").click().run()
    at.button(key="tour_next").click().run()
    assert param(at, "stop") == "3"
    at.button(key="tour_back").click().run()
    assert param(at, "stop") == "2"
    at = open_page("tour", stop="44")
    assert "There is no stop of the tour 44 here, only 10." in shown(at)


def test_the_numbers_of_attention_by_hand_multiply_out(open_page: OpenPage) -> None:
    at = open_page("tour", stop="5")
    for query in (2.0, -3.0):
        at.slider(key="tour_query").set_value(query).run()
        table = next(one.value for one in at.markdown if one.value.startswith("| token |"))
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
        total = 0.0
        for _, key, product, score, weight, value, part in rows:
            a, b = map(float, re.findall(r"[\d.]+", key))
            assert float(product) == query * a + 1 * b
            assert float(score) == pytest.approx(float(product) / 2**0.5, abs=0.006)
            assert float(part) == pytest.approx(float(weight.rstrip(" %")) / 100 * float(value), abs=0.02)
            total += float(part)
        assert sum(float(row[4].rstrip(" %")) for row in rows) == pytest.approx(100, abs=0.2)
        (said,) = re.findall(r"becomes \*\*([\d.]+)\*\*", shown(at))
        assert float(said) == pytest.approx(total, abs=0.02)
    heaviest = max(rows, key=lambda row: float(row[4].rstrip(" %")))
    assert heaviest[0] == "2"  # as the answer says, with the slider at the left


def test_every_term_leads_to_a_page_and_is_found(open_page: OpenPage) -> None:
    pages = {page.name for page in site.PAGES}
    assert len({term.name for term in TERMS}) == len(TERMS) > 30
    assert [term.name for term in TERMS] == sorted((term.name for term in TERMS), key=str.casefold)
    for term in TERMS:
        assert term.page in pages
        assert matching(term.name)[0].name == term.name or term in matching(term.name)
    assert matching("[cls]")[0].name == "Class token"
    at = open_page("glossary")
    assert not at.exception
    at.text_input(key="glossary_find").set_value("receptive").run()
    assert "Receptive field" in shown(at)
    assert "AlexNet" not in shown(at)
    at.text_input(key="glossary_find").set_value("<b>xyz").run()
    assert "No word here has" in shown(at)
