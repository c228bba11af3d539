"""The stage: what fills the screen while a run trains, how large, and whether anything else is on it (Present)."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from vit_explore.ui.session import address

VIEWS = {"curves": "Curves", "inside": "Inside", "both": "Both"}
CHART_HEIGHT = "var(--stage-chart)"  # see stage.css
_SHARES = {  # of the curves in the height that is left for them and the pictures, and the most that the pictures take
    "curves": "--curves: 1; --widest: 0px",
    "inside": "--curves: 0; --widest: 100dvh",
    "both": "--curves: 0.4; --widest: calc(31cqi + 2rem)",  # the tiles' width: more would stay empty below them
}
_HERE = Path(__file__).parent
_CSS = (_HERE / "stage.css").read_text(encoding="utf-8")
_PRESENT_CSS = (_HERE / "present.css").read_text(encoding="utf-8")


def view() -> str:
    """What fills the stage, by the address."""
    return address.one_of("show", VIEWS, "both")


def is_presenting() -> bool:
    """Whether the stage stands alone, by the address."""
    return bool(address.get("present"))


def style() -> None:
    """Make the rows as high as the window allows."""
    shares = f".st-key-live_stage {{ {_SHARES[view()]} }}"
    st.html(f"<style>{_CSS}{shares}{_PRESENT_CSS if is_presenting() else ''}</style>")


def choose() -> None:
    """What fills the stage, and the switch for the projector: both in the address."""
    st.segmented_control(
        "On the stage", list(VIEWS), format_func=VIEWS.__getitem__, required=True, label_visibility="collapsed",
        **address.widget("show", "live_show", view()),
    )  # fmt: skip
    if is_presenting():
        st.button(
            "Leave", icon=":material/close_fullscreen:", key="live_present", on_click=_present, args=(None,),
            shortcut="Escape", help="Show the rest of the page again",
        )  # fmt: skip
    else:
        st.button(
            "Present", icon=":material/present_to_all:", key="live_present", on_click=_present, args=(True,),
            help="For the projector: the stage alone, in larger letters",
        )  # fmt: skip


def _present(on: bool | None) -> None:
    address.choose(present=on)
