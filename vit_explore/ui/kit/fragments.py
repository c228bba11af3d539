"""Streamlit's fragments and dialogs, in which no error ends the page: the only place that makes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Literal, ParamSpec

import streamlit as st

from vit_explore.ui.kit.errors import guarded

P = ParamSpec("P")


def fragment(draw: Callable[P, None], every: float | None = None) -> Callable[P, None]:
    """`st.fragment`, run again each `every` seconds."""
    return st.fragment(_guarded(draw), run_every=every)


def dialog(
    title: str, icon: str, on_dismiss: Callable[[], None] | Literal["ignore"] = "ignore"
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """`st.dialog`, a decorator. on_dismiss: what is called when it is closed without a choice."""
    return lambda draw: st.dialog(title, icon=icon, on_dismiss=on_dismiss)(_guarded(draw))


def _guarded(draw: Callable[P, None]) -> Callable[P, None]:
    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> None:
        with guarded():
            draw(*args, **kwargs)

    return drawn
