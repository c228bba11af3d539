"""All rows at once: the reported accuracies and those measured here, in one figure and one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from vit_explore import plots
from vit_explore.reports.base import KINDS
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.pages.reports import words
from vit_explore.ui.pages.reports.found import Found
from vit_explore.ui.session import address

_KINDS = {"scaled": "scaled to minutes", "faithful": "the same settings"}  # in the order of the box Run it
_COLUMNS = {
    "Row": st.column_config.TextColumn(pinned=True, width=170),
    "Reported": st.column_config.TextColumn(width=74, help="Top-1 as it was printed."),
    "Here": st.column_config.TextColumn(width=150, help="Top-1 on the test images, median of the seeds (range)."),
    "Yours": st.column_config.TextColumn(width=80, help="Of your own finished, unchanged runs of the same preset."),
    "F1": st.column_config.TextColumn(width=74),
    "F1 here": st.column_config.TextColumn(width=150),
    "Epochs": st.column_config.TextColumn(width=74, help="Reported / measured."),
    "Time": st.column_config.TextColumn(width=84),
    "Time here": st.column_config.TextColumn(width=84),
    "Images/s": st.column_config.TextColumn(width=74),
    "Parameters": st.column_config.TextColumn(width=74),
}


def draw(everything: Sequence[Found], chosen: str) -> None:
    """The figure, a click on which chooses a row, and the table."""
    shown = [_row(found, chosen) for found in everything]
    chart(plots.reported_and_measured(shown), "reports_overview", on_click=lambda key: address.choose(report=str(key)))
    if not any(found.is_measured for found in everything):
        st.info(
            "No figure of this project is recorded yet: the diamonds are what was printed, and your own runs join them "
            "as they finish.",
            icon=":material/hourglass_empty:",
        )
    else:
        st.caption(
            "A line leads from what was printed to what is measured here; there is none where a scaled run has other "
            "pictures."
        )


def table(everything: Sequence[Found]) -> None:
    """Every number of every row."""
    st.subheader("All figures in one table", anchor="table")
    kind = st.segmented_control(
        "Measured here with", list(_KINDS), format_func=_KINDS.__getitem__, default="scaled", required=True,
        key="reports_table_kind", persist_state="session",
    )  # fmt: skip
    st.dataframe(
        words.table(everything, kind or "scaled"), hide_index=True, column_config=_COLUMNS, height="content",
        key="reports_table",
    )  # fmt: skip
    st.caption(
        "Measured by this project, on the machine in the column Device; “at 12 % of it” is a run cut short, on "
        "validation images. Your own finished runs of the same preset are in the column Yours, as long as nothing in "
        "them was changed."
    )


def _row(found: Found, chosen: str) -> plots.ReportedRow:
    top1 = found.row.reported.top1
    marks: dict[Any, Sequence[float]] = {
        kind: [record.top1 for record in found.whole(kind) if record.top1 is not None] for kind in KINDS
    }
    return plots.ReportedRow(
        key=found.row.name,
        name=found.row.short,
        group="paper" if found.row.is_of_the_paper else "reports",
        reported=None if top1 is None else top1 / 100,
        chance=1 / found.row.classes,
        found={kind: values for kind, values in {**marks, "yours": found.own_top1()}.items() if values},
        is_chosen=found.row.name == chosen,
        is_on_others=found.row.is_scaled_to_others,
    )
