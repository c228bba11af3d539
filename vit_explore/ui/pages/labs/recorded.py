"""A lab whose runs were trained before, and are recorded: guess where the lines cross, then see."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from vit_explore import labs, plots
from vit_explore.labs.base import Lab, LabResult
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address

FAMILIES = {"ViT": "vit", "hybrid": "hybrid", "ResNet": "resnet"}
NEVER = "at no size"
MARGIN = 0.03


def show(lab: Lab) -> None:
    """Draw the guess, then what was measured. Raises BadData without records."""
    st.caption(":material/info: These runs are recorded; the model that is chosen above is not asked.")
    options = [*(f"{level:,g}" for level in lab.levels), NEVER]
    marks = address.get("marks")
    if marks is None or len(marks) != 1 or marks[0] >= len(options):
        _guess(options)
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        said = options[marks[0]]
        words = f"ahead {said}" if said == NEVER else f"ahead from {said} on"
        st.markdown(f":material/lock: **Your guess**: the ViT is {words}.", width="content")
        if st.button("Guess again", icon=":material/replay:", key="labs_again"):
            address.choose(marks=None)
            st.rerun()
    *_, found = labs.run(lab.name)
    assert isinstance(found, LabResult)
    curves = [
        plots.LabCurve(line.ref, FAMILIES.get(line.ref, ""), line.accuracy, line.low, line.high) for line in found.lines
    ]
    guess = lab.levels[marks[0]] if marks[0] < len(lab.levels) else None
    seen = [value for line in found.lines for value in (*line.low, *line.high)]
    room = (min(seen) - MARGIN, max(seen) + MARGIN)  # where they cross is a matter of a few points
    figure = plots.lab_lines(curves, lab.levels, lab.axis, split="test", guess_at=guess, y_range=room)
    chart(figure, f"lab_{lab.name}")
    st.markdown(f"#### :material/gavel: {escaped(found.verdict)}")
    for line in found.findings:
        st.markdown(f"- {escaped(line)}")
    st.markdown(f"**What was to be expected:** {lab.expected}")
    _table(lab, found)


def _guess(options: list[str]) -> None:
    with st.container(border=True, key="labs_box"):
        st.markdown("**Your guess: from how many training images on is the ViT ahead of the ResNet?**")
        chosen = st.select_slider(
            "Training images", options, options[2], key="labs_crossing", label_visibility="collapsed"
        )
        if st.button("That is my guess: show it", type="primary", icon=":material/lock:", key="labs_fix"):
            address.choose(marks=(options.index(chosen),))
            st.rerun()


def _table(lab: Lab, found: LabResult) -> None:
    rows = pd.DataFrame({lab.axis: [f"{level:,g}" for level in lab.levels]})
    for line in found.lines:
        spans = zip(line.accuracy, line.low, line.high, strict=True)
        rows[line.ref] = [f"{100 * mean:.1f} % ({100 * low:.1f} to {100 * high:.1f})" for mean, low, high in spans]
    st.dataframe(rows, hide_index=True, width="stretch", height="content", key="labs_table")
    st.caption(f"{len(found.results)} recorded runs; mean, and the lowest and highest seed, on the test images.")
    st.download_button(
        "These numbers as CSV", rows.to_csv(index=False), f"{lab.name}.csv", "text/csv", icon=":material/download:",
        on_click="ignore", key="labs_csv",
    )  # fmt: skip
