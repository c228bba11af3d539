"""The run in one row: its numbers, large enough for the back row, and how far it is."""

from __future__ import annotations

import numpy as np
import streamlit as st

from vit_explore.runs.backends import get_backend
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.curves import Curves
from vit_explore.ui.kit.run_actions import run_ahead
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.train import stage
from vit_explore.ui.session import caches

_RECENT = 20  # steps that the loss is the mean of


def status(store: RunStore, record: RunRecord, curves: Curves) -> None:
    """Four numbers, the state in words and the bar; below it what went wrong."""
    ahead = run_ahead(store, record) if record.state == "queued" else None
    with st.container(horizontal=True, vertical_alignment="center", key="live_status"):
        for label, value, extra in numbers(record, curves):
            st.metric(label, value, extra, delta_color="off", delta_arrow="off", width="content")
        more = " Results below." if record.test_top1 is not None and not stage.is_presenting() else ""
        state = f"{wording.state_line(record, ahead)}{_when(store, record)}"
        st.progress(wording.progress_of(record), text=f"**{state}{more}**")
    if record.state == "failed":
        st.error(escaped(record.error or "It failed without saying why."), icon=":material/error:")
    elif record.state == "interrupted":
        st.warning(escaped(record.error or "It was interrupted."), icon=":material/power_off:")
    elif record.state == "stopped" and record.error:  # by force
        st.warning(escaped(record.error), icon=":material/stop_circle:")
    elif record.state == "queued":
        _check_worker()
    if record.unreadable:
        st.warning(escaped(record.unreadable), icon=":material/data_alert:")


def _when(store: RunStore, record: RunRecord) -> str:
    """When a run that waits will start, about, where others are before it."""
    wait = store.expected_wait(record.id) if record.state == "queued" else None
    return f"; it starts in about {wording.duration(wait)}" if wait else ""


def numbers(record: RunRecord, curves: Curves) -> list[tuple[str, str, str | None]]:
    """(label, value, what to hold it against): of the training, or of the test when there is one."""
    classes = len(record.classes or ()) or None
    guess = f"guessing: {wording.percent(1 / classes, 0)}" if classes else None
    rate = ("Images per second", wording.count(record.images_per_second), f"{wording.count(record.images_seen)} seen")
    if record.test_top1 is not None and record.macro_f1 is not None:
        return [
            ("Test accuracy", wording.percent(record.test_top1), wording.part_tested(record) or guess),
            ("Macro F1", f"{record.macro_f1:.3f}", None),
            rate,
            ("Validation accuracy", wording.percent(record.top1), None),
        ]
    left = wording.duration(record.remaining) if record.state == "running" else "–"
    return [
        ("Accuracy (validation)", wording.percent(record.top1), guess),
        ("Loss", *_loss(curves, _are_mixed(record))),
        rate,
        ("Time left", left, f"epoch {record.epoch or 0:.1f}"),
    ]


def _are_mixed(record: RunRecord) -> bool:
    """Whether the images of the steps are mixed now."""
    train = record.config.train if record.config else None
    return train is not None and train.mixes and wording.progress_of(record) < train.mix_until


def _loss(curves: Curves, are_mixed: bool) -> tuple[str, str | None]:
    """The mean of the last steps, and that of the first ones, or of which images it is."""
    loss = curves.columns.get("loss", np.zeros(0))
    if not len(loss):
        return "–", None
    return f"{loss[-_RECENT:].mean():.3f}", "of mixed images" if are_mixed else f"at first {loss[:5].mean():.2f}"


def _check_worker() -> None:
    worker = get_backend().ensure()
    if worker.state == "failed":
        st.error(escaped(get_backend().failure(caches.store().home)), icon=":material/error:")
