"""A run on the Train page: the stage on one screen while it trains, and all the rest below it.

The stage has the same elements in the same places from Start to the end, so that nothing is drawn anew and nothing
jumps when the run goes from one phase to the next. What changes at each tick is two small fragments; what a person
presses lies outside of them. Each element that is sent again costs the browser and this process time, which they take
from the training.
"""

from __future__ import annotations

import streamlit as st

from vit_explore.errors import RunNotFound
from vit_explore.runs.backends import get_backend
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import forking, guessing, taking_home, wording
from vit_explore.ui.kit.curve_charts import choose_curves, curves_of, draw_chosen, refresh
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.run_actions import new_run, open_run, run_ahead
from vit_explore.ui.kit.stop import stop_button
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.train import diagnosing, playing, stage
from vit_explore.ui.pages.train.live_pictures import how_to_read, pictures, pinned_sample
from vit_explore.ui.pages.train.numbers import status
from vit_explore.ui.pages.train.results import next_steps, results
from vit_explore.ui.session import address, caches, room

_PACE: dict[str, float | None] = {  # seconds between two ticks; each redraw takes a little from the training
    "queued": 1.0,
    "starting": 0.5,
    "training": 2.0,
    "stopping": 0.5,  # somebody waits
    "over": None,
}
_DIAGNOSIS = 4.0  # seconds between two looks for what the run suffers from


def watch(run: str) -> None:
    """The run, live. A run that is gone gives one sentence and the way on."""
    store = caches.store()
    try:
        record = store.get(run)
    except RunNotFound as error:
        st.title("Train")
        st.error(wording.sentence(error), icon=":material/error:")
        st.button("Train a new one", type="primary", icon=":material/add:", on_click=new_run, key="train_after_lost")
        return
    phase = phase_of(record)
    stage.style()
    playing.draw_anew()
    with st.container(key="live_stage"):
        _head(store, record)
        fragment(_numbers, every=_PACE[phase])(run, phase)
        with st.container(key="live_strip"):
            _strip(store, record, phase)
        fragment(diagnosing.line, every=_PACE[phase] and _DIAGNOSIS)(run)
        if phase != "over" or record.step is not None:
            fragment(_curves_and_pictures, every=_PACE[phase])(run)
    if not stage.is_presenting():
        _below(store, record, phase)


def _strip(store: RunStore, record: RunRecord, phase: str) -> None:
    """The thin row below the numbers: what can be set while it trains, and what can be made of it when it is over."""
    if phase != "over":
        playing.strip(store, record)
    elif not stage.is_presenting():
        with st.container(horizontal=True, key="live_after"):
            retry = "Try again with changes" if record.state == "failed" else "Change and train again"
            if record.config is not None and st.button(retry, icon=":material/tune:", key="live_change"):
                new_run(record)
                st.rerun()
            forking.button(record, "live_fork", on_train=True)
            if record.step is not None:
                taking_home.button(store, record, "live_home", pinned_sample(store, record))
            _new_run()


def phase_of(record: RunRecord) -> str:
    """queued, starting and stopping (looked at often), training, or over (not looked at any more)."""
    if record.state not in wording.ACTIVE:
        return "over"
    if record.state == "queued":
        return "queued"
    if record.stop_requested:
        return "stopping"
    return "training" if record.step else "starting"


def _numbers(run: str, phase: str) -> None:
    store = caches.store()
    try:
        record = store.get(run)
        if phase_of(record) != phase:
            address.redraw()  # another pace of looking, or none
        if phase == "training" and playing.is_outdated(store, run):
            address.redraw()  # another window has set something
        curves = curves_of(run)
        refresh(curves, store, record)
        if phase != "over":
            store.watched(run)  # so that its process makes pictures on the clock
        status(store, record, curves)
    except RunNotFound:
        address.redraw()  # deleted in another tab: the page says so


def _curves_and_pictures(run: str) -> None:
    store = caches.store()
    try:
        record = store.get(run)
        if stage.view() != "inside":
            draw_chosen(store, record, curves_of(run), stage.CHART_HEIGHT, guessing.levels(run))
        if stage.view() != "curves":
            pictures(store, record)
    except RunNotFound:
        return  # the other fragment says so


def _below(store: RunStore, record: RunRecord, phase: str) -> None:
    """What is not needed at a glance: what lies in the axes, how to read the pictures, and at the end the results."""
    if record.step is None:
        return
    if phase != "over":
        forking.button(record, "live_fork", on_train=True)
        fragment(guessing.late)(record.id)
    choose_curves(record, {run: name for run, name in store.names_of_begun().items() if run != record.id})
    forking.origin(store, record)
    how_to_read()
    fragment(diagnosing.rest, every=_PACE[phase] and _DIAGNOSIS)(record.id)
    with st.container(key="live_results"):  # there from the first step on: what comes below keeps its place in the tree
        if phase == "over":
            next_steps(record)
            with friendly():
                results(store, record)


def _head(store: RunStore, record: RunRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="live_head"):
        colour, icon = wording.STATE_COLOURS[record.state], wording.STATE_ICONS[record.state]
        st.title(escaped(record.name), anchor=False)
        st.markdown(f":{colour}-badge[{icon} {wording.STATE_WORDS[record.state]}]", width="content")
        stage.choose()
        _buttons(store, record)


def _buttons(store: RunStore, record: RunRecord) -> None:
    if not room.may_change(record.owner):
        st.markdown(f":gray[:material/lock: {escaped(room.name_of(record.owner))}]", width="content")
        return
    with friendly():
        if record.state in wording.ACTIVE:
            if not (stage.is_presenting() or record.stop_requested):  # a second button of Stop takes its room
                _new_run()
            stop_button(store, record, "live_stop")
        elif record.resume_refusal is None and st.button(
            "Resume", icon=":material/play_arrow:", key="live_resume", type="primary"
        ):
            store.resume(record.id)
            get_backend().ensure()
            st.rerun()


def _new_run() -> None:
    if st.button("New run", icon=":material/add:", key="live_new"):
        new_run()
        st.rerun()


def other_active(store: RunStore, active: list[RunRecord]) -> None:
    """Above the form: what is training meanwhile, one click away."""
    for record in active[:3]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{wording.STATE_ICONS[record.state]} **{escaped(record.name)}** · "
                f"{wording.state_line(record, run_ahead(store, record))}"
            )
            if st.button("Watch", key=f"train_watch_{record.id}", icon=":material/visibility:"):
                open_run(record.id)
                st.rerun()
