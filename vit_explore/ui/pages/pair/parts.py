"""The three tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.config import DataConfig
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import chart, image
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.pair import asking
from vit_explore.ui.session.choice import Choice

if TYPE_CHECKING:
    from vit_explore.explain.heatmaps import HeatMethod

CKA_IMAGES, FIELD_IMAGES = 512, 64
Both = tuple[Choice, Choice]


def maps(both: Both, picture: Picture) -> None:
    """Each model's answer and its map for what the first predicts, by a method that fits both, and their difference."""
    method = _method(both)
    heats: list[np.ndarray] = []
    first, *columns, last = st.columns([2, 3, 3, 3], gap="medium")
    with first:
        st.markdown("##### The picture")
        image(
            looking.seen(both[0].ref, picture), f"The picture “{picture.title}”", caption="as the first model sees it"
        )
        if picture.truth:
            st.markdown(f"truth: **{escaped(picture.truth)}**")
    name = looking.model(both[0].ref).classes[looking.predicted(both[0].ref, picture)]
    for place, one in zip(columns, both, strict=True):
        with place, friendly():
            st.markdown(f"##### {escaped(one.title)}")
            _answers(one.ref, picture)
            about = _same_class(one.ref, name)
            heats.append(_unit(closer.heatmap(one.ref, picture, about, method.name)))
            under = looking.under_maps(one.ref, picture)
            chart(plots.heat_over_image(heats[-1], under, height=380, noun=method.title), f"pair_map_{len(heats)}")
            said = looking.model(one.ref).classes[looking.predicted(one.ref, picture) if about is None else about]
            st.caption(f"{method.title} for the class: {escaped(said.partition(',')[0])}")
    with last:
        st.markdown("##### Where they differ")
        if len(heats) < 2:
            st.caption("Both need a map for that.")
        else:
            _difference(heats, both, picture)


def _method(both: Both) -> HeatMethod:
    """The person's choice among what fits both models."""
    first, second = (closer.heat_methods(one.ref) for one in both)
    shared = {name: method for name, method in first.items() if name in second and not method.is_chance}
    names = sorted(shared, key=lambda name: (name != "grad_cam", shared[name].title))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Maps by", names, format_func=lambda name: shared[name].title, key="pair_method", persist_state="page",
            width=280,
        )  # fmt: skip
        st.caption(f"{shared[name].about} {shared[name].source}.")
    return shared[name]


def _unit(heat: np.ndarray) -> np.ndarray:
    """What speaks for the class, from 0 to the map's own largest value: so that two models' maps can be compared."""
    positive = heat.clip(min=0)
    return positive / (float(positive.max()) or 1.0)


def _difference(heats: list[np.ndarray], both: Both, picture: Picture) -> None:
    one, other = (plots.resized(heat, min(h.shape[0] for h in heats)) for heat in heats)
    flat = not (one.std() and other.std())
    r = "—" if flat else f"{np.corrcoef(one.ravel(), other.ravel())[0, 1]:+.2f}"
    st.metric("The two maps correlate by", r, help="1: the same map; 0: unrelated; — where one of them is flat.")
    chart(plots.map_difference(one - other, looking.under_maps(both[0].ref, picture), 380), "pair_difference")
    st.caption(f"Orange: more in {escaped(both[0].title)}; blue: more in {escaped(both[1].title)}.")


def _answers(ref: str, picture: Picture) -> None:
    for name, probability in looking.top_classes(ref, picture, 3):
        st.progress(probability, text=f"{escaped(name.partition(',')[0])} · {100 * probability:.0f} %")


def _same_class(ref: str, name: str) -> int | None:
    """The class of this name in another model; None, for what it predicts, where it has none."""
    classes = looking.model(ref).classes
    return classes.index(name) if name in classes else None


def layers(both: Both, data: DataConfig) -> None:
    """A-A, B-B and A-B."""
    refs = (both[0].ref, both[1].ref)
    found, count = asking.layers(refs, data, CKA_IMAGES)
    names = {one.ref: asking.names_of(one.ref) for one in both}
    titles = [escaped(one.title) for one in both]
    panels = (
        ((0, 0), f"{titles[0]}, with itself"),
        ((1, 1), f"{titles[1]}, with itself"),
        ((0, 1), "The two with each other"),
    )
    for place, ((i, j), title) in zip(st.columns(3, gap="medium"), panels, strict=True):
        with place:
            st.markdown(f"##### {title}")
            matrix = found[refs[i], refs[j]]
            figure = plots.cka_matrix(
                matrix, names[refs[i]], names[refs[j]], f"layer of {both[i].title}", f"layer of {both[j].title}"
            )
            chart(figure, f"pair_cka_{i}{j}")
    across = found[refs]
    row, column = np.unravel_index(np.nanargmax(across), across.shape)
    st.caption(
        f"Over {count} validation images of {escaped(data.dataset)}. Most alike across the two: layer {row + 1} "
        f"and layer {column + 1}, {across[row, column]:.2f}. Trained apart, even two equal models are not 1 everywhere."
    )


def reach(both: Both, data: DataConfig) -> None:
    """A CNN's receptive fields and a ViT's attention distances on one axis of pixels."""
    sides = {one.ref: looking.model(one.ref).image_size for one in both}
    vits = [one for one in both if looking.keeps_tokens(one.ref)]
    cnns = [one for one in both if one not in vits and not looking.gathers_tokens(one.ref)]
    if not vits and not cnns:
        st.caption("Neither of them has a receptive field or an attention distance; choose a ViT and a ResNet.")
        return
    fields = asking.fields(cnns[0].ref, data, FIELD_IMAGES) if cnns else None
    distances = looking.attention_numbers(vits[0].ref, _no_picture(), data, False).distances if vits else None
    names = cnns[0].title if cnns else "", vits[0].title if vits else ""
    figure = plots.receptive_field(fields, distances, sides[vits[0].ref] if vits else None, 460, names)
    chart(figure, "pair_reach")
    if not (vits and cnns):
        st.caption("With a ViT and a CNN side by side, both stand in this figure.")
    if len(set(sides.values())) > 1:
        st.caption("The two see the picture in different sizes, so their pixels are not the same.")


def _no_picture() -> Picture:
    return Picture(np.zeros((1, 1, 3), np.uint8), "none", "none")
