"""What is a head worth? Heads switched off, on this picture and over validation images."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.config import DataConfig
from vit_explore.explain.results import AttentionMaps
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import Side, chart
from vit_explore.ui.kit.picture_data import own_data
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab
from vit_explore.ui.kit.text import escaped

COUNT = 1000  # validation images
_OFF, _ASKED = "heads_off", "heads_measured"
Heads = tuple[tuple[int, int], ...]


def _controls(_: str) -> DataConfig | None:
    data = own_data()
    with st.container(horizontal=True, vertical_alignment="center"):
        if data is None:
            st.caption("What each head is worth over many images needs the model's own data, which are not here.")
        else:
            label = f"Measure every head over up to {COUNT:,} validation images"
            st.toggle(label, key=_ASKED, persist_state="session")
        is_whole = not any(_off().values())
        st.button("All heads on", icon=":material/undo:", on_click=_all_on, disabled=is_whole, key="heads_all_on")
    return data if st.session_state.get(_ASKED) else None


def _off() -> dict[str, Heads]:
    """The heads that are off, of each model; its snapshots have them together."""
    kept: dict[str, Heads] = st.session_state.setdefault(_OFF, {})
    return kept


def _all_on() -> None:
    _off().clear()


def _toggle(base: str, place: Any) -> None:
    """Switch a head off, or on again."""
    layer, head = (int(at) for at in place)
    _off()[base] = tuple(sorted({*_off().get(base, ())} ^ {(layer, head)}))


def _draw(side: Side, picture: Picture, data: DataConfig | None) -> None:
    plain = looking.attention(side.ref, picture)
    _, layers, heads, _, _ = plain.weights.shape
    base = side.ref.partition("@")[0]
    off = _off().get(base, ())
    lost = np.full((layers, heads), np.nan, np.float32)
    if data is not None:
        lost = closer.ablation(side.ref, data, COUNT)
    st.markdown("**Click a head** to switch it off, and again to switch it on")
    chart(plots.head_ablation(lost, off), f"ablation_{side.ref}", partial(_toggle, base))
    if not off:
        st.caption("Every head is on.")
        return
    without = closer.attention_without(side.ref, picture, off)
    if classes := looking.model(side.ref).classes:
        _answers(classes, plain, without, off)
    else:
        st.caption("This model has no classes, so what changes is where it looks.")
    who = "the class token looks" if without.has_class_token else "the patches look, on average"
    st.markdown(f"**Where {who}, without {'it' if len(off) == 1 else 'them'}**: layers before are as they were")
    figure = plots.attention_maps(without, looking.under_maps(side.ref, picture), height=min(520, 80 + 60 * heads))
    chart(figure, f"ablated_maps_{side.ref}")


def _answers(classes: tuple[str, ...], plain: AttentionMaps, without: AttentionMaps, off: Heads) -> None:
    """The predicted class, its logit and its probability, with all heads and without these."""
    top = int(plain.logits[0].argmax())
    named = ", ".join(f"{layer + 1}.{head + 1}" for layer, head in off)
    change = float(without.logits[0, top] - plain.logits[0, top])
    other = int(without.logits[0].argmax())
    before, after = (_probabilities(maps.logits[0]) for maps in (plain, without))
    left, middle, right = st.columns(3)
    left.metric(
        f"Logit of {escaped(classes[top].partition(',')[0])}", f"{without.logits[0, top]:.2f}", f"{change:+.2f}"
    )
    middle.metric("Its probability", f"{100 * after[top]:.0f} %", f"{100 * (after[top] - before[top]):+.0f} points")
    right.metric("The answer", escaped(classes[other].partition(",")[0]))
    said = "the same answer" if other == top else "another answer"
    st.caption(f"Without head {named} (layer.head): {said}.")


def _probabilities(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()


TAB = Tab(
    title="Head worth",
    order=8,
    about="What is a head worth? Switch some off: what changes on this picture, and how much accuracy over many.",
    explanations=("head_ablation",),
    controls=_controls,
    draw=_draw,
)
