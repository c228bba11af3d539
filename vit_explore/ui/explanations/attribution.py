"""Attribution: which pixels move the logit of a class, by the method of one's choice."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.explain.results import has_signal
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab, name_target, pick_target, target_of
from vit_explore.ui.session import address


def _controls(ref: str) -> tuple[int | None, str]:
    """The class, and the method: the first one where that of the address fits other models only."""
    from vit_explore.explain.heatmaps import heat_methods

    left, right = st.columns(2, gap="medium")
    with left:
        target = pick_target(ref)
    rows = closer.attributions(ref)
    titles = {name: row.title for name, row in rows.items()}
    first = next(iter(titles))
    is_of_others = address.get("method") in heat_methods.names() and address.get("method") not in titles
    method = first if is_of_others else address.one_of("method", titles, first)
    right.selectbox(
        "Method", list(rows), format_func=titles.__getitem__, **address.widget("method", "attribution_method", method)
    )
    st.caption(f"{rows[method].title}: {rows[method].about} {rows[method].source}.")
    return target, method


def _draw(side: Side, picture: Picture, controls: tuple[int | None, str]) -> None:
    from vit_explore.explain.heatmaps import heat_methods

    target, method = controls
    if method not in closer.attributions(side.ref):
        chosen = heat_methods.get(method)
        st.caption(f"{chosen.title} does not fit this model: it takes {chosen.takes}.")
        return
    about = target_of(side, picture, target)
    values = closer.attribution(side.ref, picture, about, method)
    figure = plots.attribution(values, looking.under_maps(side.ref, picture), side.picture_height)
    chart(figure, f"attribution_{side.ref}")
    if not has_signal(values):
        st.caption("There is no signal: no pixel moves this class by more than rounding. Choose another class.")
    name_target(side, picture, target)


TAB = Tab(
    title="Attribution",
    order=6,
    about="Pixels that speak for one class, orange, and against it, blue. Methods disagree: see “Which explanation?”.",
    explanations=("attribution",),
    controls=_controls,
    draw=_draw,
)
