"""Small parts that the looking-inside pages share: figures, clicks on them, step 0 beside now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from vit_explore.plots import theme
from vit_explore.ui.kit import saving
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.session.choice import Choice

# the bar with the one button that saves a picture is hidden (style.py): components/figure_saver presses it
_CONFIG = {"displaylogo": False, "displayModeBar": True, "modeBarButtons": [["toImage"]], "scrollZoom": False}


@dataclass(frozen=True)
class Side:
    """One of the models that stand side by side."""

    title: str
    ref: str
    step: int | None
    is_half: bool = False  # half the width is its
    all: tuple[str, ...] = ()  # the full references of those that stand side by side, the chosen one last
    model: Choice | None = None  # another model than the chosen one, and at which step
    own_scale: bool = False  # its colours run over its own values, not over those of all

    @property
    def on_scale(self) -> tuple[str, ...]:
        """The full references of those whose values make the scale of its colours."""
        return (self.ref,) if self.own_scale else self.all

    @property
    def picture_height(self) -> int:
        """Pixels for a square picture with its colour bar."""
        return 400 if self.is_half else 520


def sides(choice: Choice, compare: bool) -> list[Side]:
    """The chosen snapshot, and step 0 before it when they are compared."""
    title = choice.title if choice.step is None else f"Step {choice.step:,}"
    now = Side(title, choice.ref, choice.step, all=(choice.ref,))
    if not compare or choice.before_training is None:
        return [now]
    refs = (choice.before_training, choice.ref)
    before = Side("Step 0, before training", choice.before_training, 0)
    return [replace(side, is_half=True, all=refs) for side in (before, now)]


def beside_bundled(choice: Choice, other: Choice) -> list[Side]:
    """The chosen snapshot, and a bundled model after it."""
    refs = (other.ref, choice.ref)
    now, known = sides(choice, False)[0], Side(other.title, other.ref, other.step, model=other)
    return [replace(side, is_half=True, all=refs) for side in (now, known)]


@contextmanager
def column(side: Side, titled: bool) -> Iterator[None]:
    """Where one side is drawn; what it refuses is said there."""
    if titled:
        st.markdown(f"##### {side.title}")
    with friendly():
        yield


def chart(fig: Any, key: str, on_click: Callable[[Any], None] | None = None, fills: bool = False) -> None:
    """Draw a figure of `plots`, named by its description; `on_click` gets the `customdata` of what was clicked.

    fills: it is as high as its place, whatever height it was made with.
    """
    words = theme.description(fig)
    saving.remember(key, fig)
    if on_click is None:
        height: Any = "stretch" if fills else "content"
        st.plotly_chart(fig, key=key, theme="streamlit", width="stretch", height=height, config=_CONFIG, alt=words)
        return

    def selected() -> None:
        what = clicked(st.session_state.get(key))
        if what is not None:
            on_click(what)

    st.plotly_chart(
        fig, key=key, width="stretch", config=_CONFIG, on_select=selected, selection_mode="points", alt=words
    )


def clicked(event: Mapping[str, Any] | None) -> Any:
    """The `customdata` of the first point of a chart's selection event, or None; Plotly may wrap a number in a list."""
    points = ((event or {}).get("selection") or {}).get("points") or []
    what = points[0].get("customdata") if points else None
    if isinstance(what, Mapping):  # {"0": 5} in some versions
        what = list(what.values())
    return what[0] if isinstance(what, list) and len(what) == 1 else what


def image(pixels: np.ndarray, alt: str, *, side: int = 384, caption: str | None = None) -> None:
    """Draw pixels uint8 (h, w, 3) as wide as their place, kept square. alt: what they show, for who cannot see it."""
    st.image(enlarged(pixels, side), width="stretch", caption=caption, alt=alt)


def enlarged(pixels: np.ndarray, side: int = 384) -> np.ndarray:
    """Pixels (h, w, 3) repeated until the picture is `side` high, so that the browser does not smooth them away."""
    times = max(1, -(-side // pixels.shape[0]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)
