"""Attention: where does each head look, on a picture of your own?"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from vit_explore import cards
from vit_explore.ui import explanations
from vit_explore.ui.kit import looking, model_head, model_picker, panel
from vit_explore.ui.kit.chart import Side, column, image, sides
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.pictures import Picture, pick_picture
from vit_explore.ui.kit.tab import Tab
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.attention import familiar
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import Choice

_SCALES = (
    "Off: a colour is the same value in both maps. On: each map runs from its own lowest value to its own highest."
)


def show() -> None:
    """Draw the page."""
    model_head.head(
        "Attention",
        "In each layer every patch decides where to take information from. **Where does each head look?**",
    )
    every = explanations.tabs()
    names = [name for tab in every if not tab.is_rare for name in tab.explanations]
    choice = model_picker.require_model("where each of its heads looks on a photo of yours", *names)
    looking.open_or_stop(choice.ref, *names)
    offered = [tab for tab in every if tab.is_offered(choice.ref)]
    picture = pick_picture(of_model=True)
    narrow, wide = st.columns([1, 3], gap="large")
    with narrow:
        seen_and_predicted(choice.ref, picture)
        with friendly():
            familiar.show(choice, picture)
    with wide:
        left, right = st.columns([7, 4], vertical_alignment="bottom", gap="medium")
        with left:
            model_picker.snapshot_slider()
        with right:
            compare = model_picker.compare_toggle("attention_compare")
        shown = tabs(offered, choice, picture, sides(choice, compare))
    panel.panel(*(panel.of_explanation(name) for name in shown.explanations))


def seen_and_predicted(ref: str, picture: Picture) -> None:
    """The small picture that the model sees, and its five most probable classes."""
    with friendly():
        pixels = looking.seen(ref, picture)
        size = f"{pixels.shape[0]} × {pixels.shape[1]} pixels"
        image(pixels, f"The picture “{picture.title}” in {size}", caption=f"What the model sees: {size}")
        answer(ref, picture)


def answer(ref: str, picture: Picture) -> None:
    """The truth beside the answer, and the five most probable classes. Raises NotApplicable without classes."""
    truth = f"truth: **{escaped(picture.truth)}** · " if picture.truth else ""
    if not looking.model(ref).classes and truth:
        st.markdown(truth.removesuffix(" · "))
    best = [(name.partition(",")[0], probability) for name, probability in looking.top_classes(ref, picture)]
    st.markdown(f"{truth}says: **{escaped(best[0][0])}** {share(best[0][1])}")
    for name, probability in best:
        st.progress(probability, text=f"{escaped(name)} · {share(probability)}")


def share(probability: float) -> str:
    """A probability in per cent, with a digit more where it is small."""
    return f"{100 * probability:.{0 if probability >= 0.1 else 1}f} %"


def tabs(offered: list[Tab], choice: Choice, picture: Picture, both: list[Side]) -> Tab:
    """The tabs, of which only the open one computes; gives that one."""
    by_name = {tab.name: tab for tab in offered}
    words = {tab.title: name for name, tab in by_name.items()}
    name = address.one_of("tab", {name: tab.title for name, tab in by_name.items()}, _first(offered, choice).name)
    shown = by_name[name]
    drawn = st.tabs(list(words), **address.widget("tab", "attention_view", shown.title, words))
    with drawn[list(by_name).index(name)], friendly(model_picker.offer_bundled):
        one_tab(shown, choice.ref, picture, both)
    return shown


def _first(offered: list[Tab], choice: Choice) -> Tab:
    """What the page opens on: the first tab that the model can answer; of one without attention to show, Grad-CAM."""
    if looking.keeps_tokens(choice.ref) and (choice.card is None or cards.offered("attention", choice.card)):
        return offered[0]
    return next((tab for tab in offered if not tab.needs & {"attention", "patches", "positions"}), offered[0])


def one_tab(tab: Tab, ref: str, picture: Picture, both: list[Side]) -> None:
    """A tab: its controls, then each model's result."""
    st.caption(tab.about)
    tab.check(ref, picture)
    controls = tab.controls(ref)
    if tab.is_heat and len(both) > 1:
        own = st.toggle("Each its own colour scale", key="attention_own_scale", help=_SCALES)
        both = [replace(side, own_scale=own) for side in both]
    for place, side in zip(st.columns(len(both), gap="medium"), both, strict=True):
        with place, column(side, titled=len(both) > 1):
            tab.draw(side, picture, controls)
