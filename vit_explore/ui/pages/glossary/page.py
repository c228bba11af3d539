"""Glossary: the words of the field, and where each can be seen."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui import site
from vit_explore.ui.kit import panel
from vit_explore.ui.kit.panel import Note
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.glossary.terms import TERMS, Term

NOTE = Note(
    title="Glossary",
    what_you_see="The words of the paper, the reports and this app, each with the page where it can be seen.",
    formula=r"1\ \text{multiply-add} = 2\ \text{FLOPs}",
    what_to_look_for="Words that name one thing twice: embedding and patch projection, top-1 and accuracy.",
    what_to_beware="Papers use some of these words differently. Many count a multiply-add as one FLOP; here, as two.",
)


def show() -> None:
    """Draw the page."""
    st.title("Glossary")
    st.markdown("The words of the field in a sentence or two, and **where each can be seen**.")
    wanted = st.text_input("Find", placeholder="such as: class token", key="glossary_find").strip()
    found = matching(wanted)
    if not found:
        st.info(f"No word here has “{escaped(wanted)}” in it; clear the field to see all of them.")
    for left, right in zip(found[::2], [*found[1::2], None], strict=False):
        columns = st.columns(2, gap="large")
        for place, term in zip(columns, (left, right), strict=True):
            if term is not None:
                with place:
                    _draw(term)
    panel.panel(NOTE)


def matching(words: str) -> list[Term]:
    """The terms with these words in their names, or, after those, in their texts."""
    low = words.casefold()
    by_name = [term for term in TERMS if low in f"{term.name} {term.also}".casefold()]
    return by_name + [term for term in TERMS if term not in by_name and low in term.text.casefold()]


def _draw(term: Term) -> None:
    also = f" ({term.also})" if term.also else ""
    st.markdown(f"**{term.name}**{also}. {term.text}")
    page = site.page(term.page)
    st.page_link(page.path, label=page.title, icon=page.label)
