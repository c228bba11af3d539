"""A model in training, seen from the inside: its position tiles, its attention on one picture, its answers to some.

One component, so that all three stand on one grid, change at the same moment and never flicker; it fills the height
that the page gives it (`--stage-inside`). A click on a picture pins it: the attention is shown on it from then on.
Class names are typed by people: the browser only ever gets them as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from vit_explore.ui.components.declaring import declared

_mount = declared(__file__, '<div class="inside"></div>')


@dataclass(frozen=True)
class Shot:
    """A picture as a data URI, with what stands below it and what it shows in words. No uri: its place is kept."""

    name: str = ""
    uri: str = ""
    alt: str = ""


@dataclass(frozen=True)
class Panel:
    """Pictures under a title. aside: a short remark beside it; note: why there are none."""

    title: str
    shots: Sequence[Shot] = ()
    aside: str = ""
    note: str = ""


@dataclass(frozen=True)
class Said:
    """The truth of a sample picture, and the model's answer; no label: not known yet."""

    truth: str
    label: str = ""
    right: bool = False
    probability: float = 0.0


@dataclass(frozen=True)
class Answers:
    """Pictures of one size side by side in one sheet (a data URI), what is said of each, and which is pinned."""

    title: str
    said: Sequence[Said] = ()
    sheet: str = ""
    pinned: int = 0
    aside: str = ""


def inside_view(tiles: Panel, attention: Panel, answers: Answers, *, key: str, tall: bool = False) -> None:
    """Draw the three, side by side, or, where there is height enough, with the answers below the others."""
    data = {"tiles": asdict(tiles), "attention": asdict(attention), "answers": asdict(answers), "tall": tall}
    _mount(key=key, data=data, default={"pinned": None}, on_pinned_change=lambda: None)


def pinned(key: str, count: int) -> int:
    """The picture that the person pinned, one of `count`: it comes from outside, so anything odd is the first."""
    state = st.session_state.get(key)
    chosen = state.get("pinned") if isinstance(state, Mapping) else None
    return chosen if isinstance(chosen, int) and 0 <= chosen < count else 0
