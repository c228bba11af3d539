"""Distance and entropy: two numbers for each head."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.config import DataConfig
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.picture_data import own_data
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab


def _controls(_: str) -> tuple[bool, DataConfig | None]:
    renormalise = st.toggle(
        "Leave out what goes to the tokens before the patches", key="distance_renormalise",
        help="The paper counts attention to these as distance 0; on, each row is divided by what is left.",
    )  # fmt: skip
    data = own_data()
    if data is None:
        st.caption("Measured on this one picture; the paper takes the mean over 128.")
        return renormalise, None
    many = st.toggle(
        f"Mean over {looking.DATA_IMAGES} validation images, in place of this picture", key="distance_many"
    )
    return renormalise, data if many else None


def _draw(side: Side, picture: Picture, controls: tuple[bool, DataConfig | None]) -> None:
    renormalise, data = controls
    numbers = looking.attention_numbers(side.ref, picture, data, renormalise)
    st.markdown("**How far it looks**: mean attention distance of each head")
    top = 1.7 * numbers.uniform
    chart(plots.attention_distance(numbers.distances, numbers.uniform, max_distance=top), f"distance_{side.ref}")
    st.markdown("**How spread it is**: entropy of each head's attention")
    chart(plots.attention_entropy(numbers.entropies), f"entropy_{side.ref}")
    if numbers.on_object is not None:
        st.markdown("**Whether it looks at the object**: share of the attention that falls on the drawn shape")
        chart(plots.attention_on_object(numbers.on_object, numbers.area), f"on_object_{side.ref}")


TAB = Tab(
    title="Distance and entropy",
    order=5,
    about="One dot for each head: near and far, focused and spread.",
    explanations=("attention_distance", "attention_entropy", "attention_on_object"),
    controls=_controls,
    draw=_draw,
)
