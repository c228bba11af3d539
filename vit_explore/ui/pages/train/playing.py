"""What a person sets while a run trains: one thin row, outside of what is drawn at each tick, so that no tick takes a
slider out of the hand. It shows what the store holds whenever it is drawn, which is so too when another window has set
something: two windows agree at the next tick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from vit_explore.config import settings
from vit_explore.errors import RunNotFound, VitExploreError
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.controls import Controls
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.session import caches, room

LR_FACTORS = (0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)  # about equal steps of its logarithm
DECAYS = (0.0, 0.01, 0.05, 0.1, 0.3, 1.0)
_DRAWN = "live_playing_drawn"  # (run, Controls) that the strip shows
_REFUSED = "live_playing_refused"  # the sentence of what the store did not take

_CSS = """<style>
.st-key-live_playing { flex-wrap: nowrap; align-items: center; gap: 0.75rem; max-height: 44px; }
.st-key-live_playing_row { flex-wrap: nowrap; align-items: center; gap: 0.75rem; }
.st-key-live_playing [data-testid="stSliderTickBar"] { display: none; }
.st-key-live_playing [data-testid="stSlider"] { padding: 0.6rem 4.5rem 0 4.5rem; }
.st-key-live_playing_folded { display: none; }
@media (max-width: 900px) {
  .st-key-live_playing > [data-testid="stLayoutWrapper"]:has(> .st-key-live_playing_row) { display: none; }
  .st-key-live_playing_folded { display: flex; }
}
</style>"""


def strip(store: RunStore, record: RunRecord) -> None:
    """Pause, learning rate, weight decay and augmentation of a run that trains; nothing for another one."""
    if record.state == "running" and record.config is not None and room.may_change(record.owner):
        st.html(_CSS)
        fragment(_strip)(record.id)


def draw_anew() -> None:
    """The whole page is drawn now: until the strip is, too, there is nothing to hold against the store."""
    st.session_state[_DRAWN] = None, None


def is_outdated(store: RunStore, run: str) -> bool:
    """Whether something else holds for the run than what the strip shows of it; one small query. Raises RunNotFound."""
    shown, held = st.session_state[_DRAWN]
    return shown == run and store.controls(run) != held


def _strip(run: str) -> None:
    store = caches.store()
    try:
        record, held = store.get(run), store.controls(run)
    except RunNotFound:
        return  # the fragment of the numbers says so
    if record.state != "running" or record.config is None:
        return
    st.session_state[_DRAWN] = run, held
    with st.container(horizontal=True, key="live_playing"):
        _pause(run, held)
        with st.container(horizontal=True, key="live_playing_row"):
            _settings(record, held, "row", label="collapsed")
        with st.container(key="live_playing_folded"), st.popover("While it runs", icon=":material/tune:"):
            _settings(record, held, "folded", label="visible")
    if refused := st.session_state.pop(_REFUSED, None):
        st.error(refused, icon=":material/error:")


def _pause(run: str, held: Controls) -> None:
    words, icon = ("Go on", ":material/play_arrow:") if held.paused else ("Pause", ":material/pause:")
    st.button(
        words, icon=icon, key="live_pause", type="primary" if held.paused else "secondary", width=110,
        help="The clock stands still, too", on_click=_set, args=(run, {"paused": not held.paused}),
    )  # fmt: skip


def _settings(record: RunRecord, held: Controls, place: str, label: Any) -> None:
    """The three widgets; in the row they have no labels, and say themselves what they are."""
    bare = label == "collapsed"
    train = record.settings().train
    factor = min(LR_FACTORS, key=lambda known: abs(known / held.lr_factor - 1))
    decay = train.weight_decay if held.weight_decay is None else held.weight_decay
    augment = train.augment if held.augment is None else held.augment
    _widget(
        st.select_slider, record.id, "lr_factor", factor, place, label="Learning rate", options=LR_FACTORS,
        format_func=lambda one: f"{'Learning rate ' if bare else ''}× {one:g} = {train.lr * one:.2g}",
        label_visibility=label, width=290 if bare else "stretch",
    )  # fmt: skip
    _widget(
        st.selectbox, record.id, "weight_decay", decay, place, label="Weight decay",
        options=sorted({*DECAYS, train.weight_decay, decay}),
        format_func=("Weight decay {:g}" if bare else "{:g}").format,
        label_visibility=label, width=165 if bare else "stretch",
    )  # fmt: skip
    if train.tune == "head":
        return  # its features are of the images as they are
    _widget(
        st.selectbox, record.id, "augment", augment, place, label="Augmentation",
        options=settings()["augment"].options, format_func=("Augmentation: {}" if bare else "{}").format,
        label_visibility=label, width=215 if bare else "stretch",
    )  # fmt: skip


def _widget(draw: Callable[..., Any], run: str, name: str, value: Any, place: str, **options: Any) -> None:
    """A widget that shows `value`, and hands what is chosen to the store."""
    key = f"live_{name}_{place}"
    st.session_state[key] = value
    draw(key=key, on_change=_take, args=(run, name, key), **options)


def _take(run: str, name: str, key: str) -> None:
    _set(run, {name: st.session_state[key]})


def _set(run: str, changes: dict[str, Any]) -> None:
    try:
        st.session_state[_DRAWN] = run, caches.store().control(run, **changes)  # the strip is drawn next
    except VitExploreError as error:
        st.session_state[_REFUSED] = wording.sentence(error)
