"""Filters: which patterns does the patch projection look for?"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from vit_explore import plots
from vit_explore.explain.results import FilterComponents
from vit_explore.ui.kit import looking, model_head, model_picker, panel
from vit_explore.ui.kit.chart import Side, chart, column
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import Choice

_SMOOTH = (
    0.2  # correlation of neighbouring weights below which one sees grain before patterns; by eye, on 4-pixel patches
)
_LARGE = 7  # px along a side from which on the filters of a CNN's first layer are large enough for patterns


def components(choice: Choice, side: Side, titled: bool) -> None:
    with column(side, titled):
        result = looking.filters(choice, side.step)
        height = 40 + 120 * -(-len(result.images) // 5) if titled else None
        chart(plots.filter_components(result, columns=5 if titled else 7, height=height), f"components_{side.ref}")
        shares = result.explained_variance_ratio
        st.caption(
            f"The number under each: its share of the variance. All {len(shares)} together: {shares.sum():.0%}. "
            "Order and signs follow the last snapshot, so each stays in its place as you slide."
        )
        if not result.is_projection:
            st.info(
                "This model has no patch projection (a conv stem, or a CNN): these are the filters of its first layer.",
                icon=":material/info:",
            )


def raw(choice: Choice, side: Side, titled: bool) -> None:
    with column(side, titled):
        result = looking.filters(choice, side.step)
        shown, (count, rows, columns, _) = min(64, len(result.filters)), result.filters.shape
        height = 12 + (76 if titled else 93) * -(-shown // 8)
        chart(plots.raw_filters(result, n=shown, columns=8, height=height), f"raw_{side.ref}")
        st.caption(f"{shown} of {count} filters of {rows} × {columns} px, each at full contrast.")


def variance(choice: Choice, side: Side, titled: bool) -> None:
    with column(side, titled):
        chart(plots.explained_variance(looking.filters(choice, side.step)), f"variance_{side.ref}")


VIEWS = {"components": components, "variance": variance, "raw": raw}
TITLES = {"components": "Principal components", "variance": "Explained variance", "raw": "Raw filters"}


def show() -> None:
    """Draw the page."""
    model_head.head("Filters", "Only the first layer sees the pixels themselves. **Which patterns does it look for?**")
    choice = model_picker.require_model(
        "how its filters turn from noise into colours, edges and waves", "filter_components"
    )
    looking.open_or_stop(choice.ref, "filter_components")
    left, right = st.columns([3, 2], vertical_alignment="bottom", gap="large")
    with left:
        model_picker.snapshot_slider()
    grainy = False
    with friendly():
        grainy = say_smoothness(looking.filters(choice, choice.step))
    with right:
        both = model_picker.pick_beside(choice, "filters_beside", "bundled" if grainy and choice.step else "on")

    shown = address.one_of("tab", TITLES, "components")
    words = {title: name for name, title in TITLES.items()}
    tabs = st.tabs(list(words), **address.widget("tab", "filters_view", TITLES[shown], words))
    with tabs[list(TITLES).index(shown)]:
        each_side(choice, both, VIEWS[shown])
    panel.panel(panel.of_explanation("filter_components"))


def say_smoothness(result: FilterComponents) -> bool:
    """Say how far the filters are from noise, by a number; gives whether they are close to it."""
    r, noise = result.smoothness, result.smoothness_noise
    if not (result.is_projection or result.filters.shape[1] >= _LARGE) or r != r:
        return False
    digits = 2 if noise >= 0.01 else 3
    spread = f"noise: 0 ± {noise:.{digits}f}; smooth patterns: towards 1"
    measured = f"neighbouring weights correlate by **{r:+.{digits}f}** ({spread})"
    if r >= _SMOOTH:
        st.markdown(f":material/blur_on: In these filters {measured}.")
        return False
    what = "are still noise" if r <= 3 * noise else "are still close to noise"
    why = "" if r <= 3 * noise else " Colours come first; a minute of training is not enough for edges."
    st.info(f"These filters {what}: {measured}.{why}", icon=":material/grain:")
    return True


def each_side(choice: Choice, both: list[Side], draw: Callable[[Choice, Side, bool], None]) -> None:
    """The same view of each model, side by side."""
    for place, side in zip(st.columns(len(both), gap="large"), both, strict=True):
        with place:
            draw(side.model or choice, side, len(both) > 1)
