"""Paper & reports: what was printed beside what the same settings give here, and each run with one click."""

from __future__ import annotations

import streamlit as st

from vit_explore.reports.base import in_order
from vit_explore.ui.kit import panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.pages.reports import detail, notes, overview, tables
from vit_explore.ui.pages.reports.found import found_of, own_runs
from vit_explore.ui.session import address, caches


def show() -> None:
    """Draw the page: all rows in one figure, one of them, all their numbers, and the paper's own tables."""
    st.title("Paper & reports")
    st.markdown(
        "“Those of us with fewer computational resources cannot replicate these results”, one talk on the paper ends. "
        "**Here is each of its models, and of five student reports and talks, as one click.**"
    )
    follow_others()
    store = caches.store()
    rows = {row.name: row for row in in_order()}
    chosen = address.one_of("report", {name: row.title for name, row in rows.items()}, next(iter(rows)))
    with friendly():
        runs = own_runs(store)
        everything = [found_of(row, runs) for row in rows.values()]
        overview.draw(everything, chosen)
        detail.draw(found_of(rows[chosen], runs), rows, store)
        st.divider()
        overview.table(everything)
    st.divider()
    tables.draw()
    panel.panel(notes.reports())
