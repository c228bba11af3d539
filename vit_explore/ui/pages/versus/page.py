"""ViT vs ResNet: the same data, seeds, order and budget for both, and one figure that tells them apart."""

from __future__ import annotations

import streamlit as st

from vit_explore.runs.records import RunRecord
from vit_explore.ui.kit import panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.kit.style import style
from vit_explore.ui.pages.versus import notes, pair, race, start
from vit_explore.ui.session import caches
from vit_explore.ui.session.choice import Pair


def show() -> None:
    """Draw the page: the race that there is, and below it the way to another; without one, the way to the first."""
    st.title("ViT vs ResNet")
    style()
    follow_others()
    store = caches.store()
    records = pair.comparable(store)
    chosen = pair.settled(records)
    if chosen.one and chosen.other and chosen.one != chosen.other:
        _race(records, chosen)
        st.subheader("Another race", anchor=False)
    else:
        st.markdown(
            "Attention has to learn what a convolution knows from the start. "
            "**How much does that cost, and when does it pay?**"
        )
    start.start_box(store)
    if len(records) < 2:
        st.info("There are no two runs to compare yet: start the race above.", icon=":material/info:")
    else:
        st.markdown("Or lay any two runs side by side:")
        pair.pick(records, chosen)
    panel.panel(notes.race())


def _race(records: list[RunRecord], chosen: Pair) -> None:
    by_id = {record.id: record for record in records}
    with friendly():
        race.race(by_id[chosen.one or ""], by_id[chosen.other or ""], records)
