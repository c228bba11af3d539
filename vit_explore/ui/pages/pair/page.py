"""Two models, one picture: predictions, maps and their difference; all layers against each other; how far they see."""

from __future__ import annotations

import streamlit as st

from vit_explore.config import DataConfig
from vit_explore.ui.kit import looking, model_head, model_picker, panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.picture_data import dataset_configs
from vit_explore.ui.kit.pictures import pick_picture
from vit_explore.ui.pages.pair import choosing, parts
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import Choice

TABS = {"maps": "Maps", "layers": "All layers", "reach": "How far they see"}
NOTES = {"maps": "grad_cam", "layers": "cka_matrix", "reach": "receptive_field"}


def show() -> None:
    """Draw the page."""
    model_head.head(
        "Two models, one picture",
        "The same picture, two models. **Do they answer alike, look at the same thing, and compute it the same way?**",
    )
    choice = model_picker.require_model("how two models differ on one picture", *NOTES.values())
    looking.open_or_stop(choice.ref, *NOTES.values())
    other = choosing.second(choice)
    picture = pick_picture(of_model=True)
    tab = address.one_of("tab", TABS, "maps")
    words = {title: name for name, title in TABS.items()}
    drawn = st.tabs(list(words), **address.widget("tab", "pair_view", TABS[tab], words))
    with drawn[list(TABS).index(tab)], friendly():
        looking.model(other.ref)
        _draw(tab, (choice, other), picture)
    panel.panel(panel.of_explanation(NOTES[tab]))


def _draw(tab: str, both: tuple[Choice, Choice], picture: object) -> None:
    if tab == "maps":
        parts.maps(both, picture)  # type: ignore[arg-type]
        return
    data = _data()
    if data is None:
        st.caption(
            "This needs many pictures, and no dataset is on this machine yet; the page Home says how to get one."
        )
    elif tab == "layers":
        parts.layers(both, data)
    else:
        parts.reach(both, data)


def _data() -> DataConfig | None:
    """The data of the first model, where they are here; else the first dataset that is."""
    return next(iter(dataset_configs().values()), None)
