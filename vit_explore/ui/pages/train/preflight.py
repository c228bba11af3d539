"""Below the choice on the Train page: what a step, the test and the memory will cost here, and something smaller."""

from __future__ import annotations

from typing import Any

import streamlit as st

from vit_explore.config import RunConfig
from vit_explore.training import advice
from vit_explore.training.advice import Preflight
from vit_explore.ui.kit import background, forms
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import caches
from vit_explore.ui.session.jobs import JobFailed


def found_by_now(config: RunConfig) -> Preflight | JobFailed | None:
    """The estimate where it is there, or the bug that it ended in, which is no reason not to train; waits for nothing.

    Raises BadConfig, ModelUnavailable, DeviceUnavailable.
    """
    try:
        return background.preflight(config, _is_busy())
    except JobFailed as failed:
        return failed


def is_impossible(found: Preflight | JobFailed | None) -> bool:
    """Whether the run cannot fit this machine."""
    return isinstance(found, Preflight) and found.is_impossible


def say(config: RunConfig, found: Preflight | JobFailed | None) -> None:
    """A line for a run that is sane; for another a warning, and a button that makes it smaller."""
    if found is None:
        background.wait_for_preflight(config, _is_busy())
    elif isinstance(found, JobFailed):
        st.caption("What a step costs on this machine could not be estimated; the server's log says why.")
    elif refusal := advice.refusal(found):
        st.error(escaped(refusal), icon=":material/memory:")
        _offer(found)
    elif trouble := advice.warning(found, config):
        st.warning(escaped(trouble), icon=":material/speed:")
        _offer(found)
    elif advice.is_long(found, config):
        st.markdown(f":material/hourglass_top: On this machine **{advice.whole(found, config)}**.", help=_help(found))
    else:
        st.caption(f"On this machine {advice.short(found)} of memory.", help=_help(found))


def _is_busy() -> bool:
    return bool(caches.store().states().get("running"))


def _help(found: Preflight) -> str:
    busy = ", since a run is training now" if found.source == "matmul" and _is_busy() else ""
    return (
        f"Estimated {advice.source(found)}{busy}. A test on all images takes about {advice.took(found.test_seconds)}."
    )


def _offer(found: Preflight) -> None:
    if found.smaller:
        st.button(
            f"Make it smaller: {_words(found.smaller)}", icon=":material/compress:", on_click=_apply,
            args=(found.smaller,), key="train_smaller",
        )  # fmt: skip


def _words(changes: dict[str, Any]) -> str:
    """Such as "width D 192, patch size 4"."""
    widgets = [(forms.widgets()[name], value) for name, value in changes.items()]
    return ", ".join(f"{widget.words.partition(' (')[0]} {widget.said(value)}" for widget, value in widgets)


def _apply(changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        st.session_state[forms.PREFIX + name] = value
