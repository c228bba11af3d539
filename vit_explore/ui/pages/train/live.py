"""A run on the Train page: watched while it trains, read when it is over.

What changes at each tick is one small fragment; what a person presses lies outside of it. Each element that is sent
again costs the browser and this process time, which they take from the training.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from vit_explore.errors import RunNotFound
from vit_explore.runs.backends import get_backend
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import forking, wording
from vit_explore.ui.kit.curve_charts import choose_curves, curves_of, draw_chosen, refresh
from vit_explore.ui.kit.curves import Curves
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.run_actions import new_run, open_run, run_ahead
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.train import diagnosing, playing
from vit_explore.ui.pages.train.live_pictures import pictures
from vit_explore.ui.pages.train.results import next_steps, results
from vit_explore.ui.session import caches

_PACE = {  # seconds between two ticks of the numbers, and of the pictures
    "queued": (1.0, None),
    "starting": (0.5, None),
    "training": (2.0, 4.0),  # each redraw takes a little from the training
    "over": (None, None),
}


def watch(run: str) -> None:
    """The run, live. A run that is gone gives one sentence and the way on."""
    store = caches.store()
    try:
        record = store.get(run)
    except RunNotFound as error:
        st.error(wording.sentence(error), icon=":material/error:")
        st.button("Train a new one", type="primary", icon=":material/add:", on_click=new_run, key="train_after_lost")
        return
    phase = phase_of(record)
    every, pictures_every = _PACE[phase]
    _head(store, record)
    playing.strip(store, record)
    fragment(diagnosing.line, every=pictures_every)(run)
    fragment(_numbers_and_curves, every=every)(run, phase)
    if record.step is None:
        return
    choose_curves(record, {other.id: other.name for other in store.list() if other.id != run and other.step})
    forking.origin(store, record)
    if phase == "over":
        with friendly():
            results(store, record)
    fragment(pictures, every=pictures_every)(run)
    fragment(diagnosing.rest, every=pictures_every)(run)


def phase_of(record: RunRecord) -> str:
    """queued, starting (looked at often), training, or over (not looked at any more)."""
    if record.state not in wording.ACTIVE:
        return "over"
    if record.state == "queued":
        return "queued"
    return "training" if record.step else "starting"


def _numbers_and_curves(run: str, phase: str) -> None:
    store = caches.store()
    try:
        record = store.get(run)
        if phase_of(record) != phase:
            st.rerun()  # another pace of looking, or none
        curves = curves_of(run)
        refresh(curves, store, record)
        _status(store, record, curves)
        if phase == "over":
            next_steps(record)
        if record.step is not None:
            draw_chosen(store, record, curves)
    except RunNotFound:
        st.rerun()  # deleted in another tab: the page says so


def _head(store: RunStore, record: RunRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="live_head"):
        colour, icon = wording.STATE_COLOURS[record.state], wording.STATE_ICONS[record.state]
        st.subheader(
            f"{escaped(record.name)} :{colour}-badge[{icon} {wording.STATE_WORDS[record.state]}]", anchor=False
        )
        _buttons(store, record)


def _buttons(store: RunStore, record: RunRecord) -> None:
    with friendly():
        if record.state in wording.ACTIVE:
            if st.button(
                "Stop", icon=":material/stop:", key="live_stop", type="primary", disabled=record.stop_requested
            ):
                store.request_stop(record.id)
                st.rerun()
        elif record.resume_refusal is None and st.button(
            "Resume", icon=":material/play_arrow:", key="live_resume", type="primary"
        ):
            store.resume(record.id)
            get_backend().ensure()
            st.rerun()
    retry = "Try again with changes" if record.state == "failed" else "Change and train again"
    if record.config is not None and st.button(retry, icon=":material/tune:", key="live_change"):
        new_run(record)
        st.rerun()
    forking.button(record, "live_fork")
    if st.button("New run", icon=":material/add:", key="live_new"):
        new_run()
        st.rerun()


def _status(store: RunStore, record: RunRecord, curves: Curves) -> None:
    """The state in words and the four numbers, large enough for the back row."""
    with st.container(border=True, key="live_status"):
        if record.state == "failed":
            st.error(escaped(record.error or "It failed without saying why."), icon=":material/error:")
        elif record.state == "interrupted":
            st.warning(escaped(record.error or "It was interrupted."), icon=":material/power_off:")
        if record.unreadable:
            st.warning(escaped(record.unreadable), icon=":material/data_alert:")
        ahead = run_ahead(store, record) if record.state == "queued" else None
        st.progress(wording.progress_of(record), text=f"**{wording.state_line(record, ahead)}**")
        if record.state == "queued":
            _check_worker()
        if record.step is not None:
            with st.container(horizontal=True, gap="medium"):
                for label, value, extra in _numbers(record, curves):
                    st.metric(label, value, extra, delta_color="off", delta_arrow="off", width=152)


def _check_worker() -> None:
    worker = get_backend().ensure()
    if worker.state == "failed":
        st.error(escaped(get_backend().failure(caches.store().home)), icon=":material/error:")


def _numbers(record: RunRecord, curves: Curves) -> list[tuple[str, str, str | None]]:
    """(label, value, what to hold it against)."""
    classes = len(record.classes or ()) or None
    guess = f"guessing: {wording.percent(1 / classes, 0)}" if classes else None
    loss = curves.columns.get("loss", np.zeros(0))[-20:]
    shown = f"{loss.mean():.3f}" if len(loss) else "–"
    started = f"at first {curves.columns['loss'][:5].mean():.2f}" if len(loss) else None
    rate = ("Images per second", wording.count(record.images_per_second), f"{wording.count(record.images_seen)} seen")
    if record.test_top1 is not None and record.macro_f1 is not None:
        return [
            ("Test accuracy", wording.percent(record.test_top1), guess),
            ("Macro F1", f"{record.macro_f1:.3f}", None),
            ("Validation accuracy", wording.percent(record.top1), None),
            rate,
        ]
    left = wording.duration(record.remaining) if record.state == "running" else "–"
    return [
        ("Accuracy (validation)", wording.percent(record.top1), guess),
        ("Loss", shown, started),
        rate,
        ("Time left", left, f"epoch {record.epoch or 0:.1f}"),
    ]


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
