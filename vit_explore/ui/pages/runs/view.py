"""The page Runs: the table, and what can be done with the rows that are selected."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from vit_explore.config import RunConfig, settings
from vit_explore.errors import RunNotFound
from vit_explore.plots import theme
from vit_explore.runs.backends import get_backend
from vit_explore.runs.naming import file_stem
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.kit import forking, taking_home, wording
from vit_explore.ui.kit.curve_charts import choose_axis, curves_of, draw_curves, refresh
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import dialog, fragment
from vit_explore.ui.kit.link_button import link_button
from vit_explore.ui.kit.run_actions import new_run
from vit_explore.ui.kit.stop import stop_button
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.runs import table
from vit_explore.ui.session import address, caches, choice, room

EVERY = 2.0  # seconds between two looks while something trains; of hundreds of runs it looks less often
_SELECTED = "runs_selected"  # ids; row numbers would point elsewhere as soon as a run is added
_RENAME, _RENAMED = "runs_rename_open", "runs_renamed"
_COLUMNS = {  # as wide as a window of 1280 up to the disk, and one of 1440 up to the time of day
    "Name": st.column_config.TextColumn(width=180),
    "State": st.column_config.TextColumn(width=100),
    "Data": st.column_config.TextColumn(width=108),
    "Model": st.column_config.TextColumn(width=90),
    "Parameters": st.column_config.NumberColumn("Params", format="compact", width=70),
    "Top-1 (%)": st.column_config.ProgressColumn(format="%.1f", min_value=0, max_value=100, width=100),
    "On": st.column_config.TextColumn(
        width=74, help="The test images, once at the end; before that a part of the validation images."
    ),
    "Training (s)": st.column_config.NumberColumn("Time (s)", format="%.0f", width=66, help="Seconds of training."),
    "Disk (MB)": st.column_config.NumberColumn("MB", format="%.1f", width=56, help="On this machine's disk."),
    "Created": st.column_config.DatetimeColumn(format="D MMM, HH:mm", width=112),
}


def view() -> None:
    """The table of runs, or an invitation where there are none."""
    records = caches.store().list()
    if not records:
        _invitation()
        return
    active = any(record.state in wording.ACTIVE for record in records)
    fragment(_view, every=max(EVERY, len(records) / 200) if active else None)(active)


def _invitation() -> None:
    with st.container(border=True):
        st.subheader("No run yet", anchor=False)
        st.markdown("Train a small Vision Transformer for a minute; it will be listed here with all that it learned.")
        st.page_link(site.path("train"), label="Train the first one", icon=":material/play_circle:")


def _view(was_active: bool) -> None:
    store = caches.store()
    try:
        records = store.list()
        if not records or any(record.state in wording.ACTIVE for record in records) != was_active:
            st.rerun()
        _summary(records)
        shown = _filters(records)
        selected = _table(shown)
        if not selected:
            st.caption(
                "Tick a row on its left to open, rename, repeat, download or delete it; tick several to compare them."
            )
            return
        _actions(store, selected)
        if len(selected) == 1:
            _details(store, selected[0])
        else:
            _compare(store, selected)
    except RunNotFound:
        st.rerun()


def _summary(records: list[RunRecord]) -> None:
    disk = sum(record.disk_bytes for record in records)
    running = sum(record.state == "running" for record in records)
    waiting = sum(record.state == "queued" for record in records)
    parts = [f"**{len(records)}** run{'' if len(records) == 1 else 's'}", f"**{wording.size(disk)}** on disk"]
    parts += [f"**{running}** training"] if running else []
    parts += [f"**{waiting}** waiting"] if waiting else []
    st.markdown(" · ".join(parts))


def _filters(records: list[RunRecord]) -> list[RunRecord]:
    text, states = st.columns([1, 1.4])
    words = text.text_input(
        "Filter",
        placeholder="name, id, data or model",
        key="runs_filter",
        icon=":material/search:",
        persist_state="session",
    )
    present = [name for name in wording.STATE_WORDS if any(record.state == name for record in records)]
    chosen = states.pills(
        "State", present, selection_mode="multi", format_func=wording.STATE_WORDS.__getitem__, key="runs_states"
    )
    return table.filtered(records, words, chosen)


def _table(shown: list[RunRecord]) -> list[RunRecord]:
    """Draw the rows; gives the selected runs."""
    if not shown:
        st.info("No run fits the filter.", icon=":material/info:")
        return []
    ids = [record.id for record in shown]
    # a key of its own for each set of rows: a tick belongs to a run, not to a place in the table
    key = f"runs_table_{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:12]}"
    kept = [ids.index(run) for run in st.session_state.get(_SELECTED, []) if run in ids]
    event: Any = st.dataframe(
        _columns([table.row(record) for record in shown]), hide_index=True, column_config=_COLUMNS, key=key,
        placeholder="–", on_select="rerun", selection_mode="multi-row", height="content" if len(ids) <= 12 else 460,
        selection_default={"selection": {"rows": kept, "columns": [], "cells": []}},
    )  # fmt: skip
    rows = [row for row in event.selection.rows if row < len(shown)]
    st.session_state[_SELECTED] = [ids[row] for row in rows]
    return [shown[row] for row in rows]


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


# ---------------------------------------------------------------------- what to do with them


def _actions(store: RunStore, selected: list[RunRecord]) -> None:
    with st.container(horizontal=True, key="runs_actions"):
        if len(selected) == 1:
            _actions_of_one(store, selected[0])
        if len(selected) == 2 and all(wording.can_race(record) for record in selected):
            one, other = selected
            link_button("versus", "Race them", "compare_arrows", "runs_race", one=one.id, other=other.id)
        mine = all(room.may_change(record.owner) for record in selected)
        if mine and st.button("Delete", icon=":material/delete:", key="runs_delete", on_click=forking.close):
            _confirm_deletion([record.id for record in selected])


def _actions_of_one(store: RunStore, record: RunRecord) -> None:
    link_button("train", "Open", "open_in_full", "runs_open", primary=True, run=record.id)
    looks = site.offered(record.model.card) if record.model is not None else []
    if looks:
        link_button(looks[0].name, "Look inside", "visibility", "runs_inside", model=f"run:{record.id}")
    if room.may_change(record.owner):
        _stop_or_resume(store, record)
        _rename(store, record)
    if record.config is not None and st.button(
        "Duplicate with changes", icon=":material/content_copy:", key="runs_duplicate"
    ):
        new_run(record)
        st.switch_page(site.path("train"), query_params=address.link("train", run=address.NO_RUN))
    forking.button(record, "runs_fork")
    stem = file_stem(record.name, record.id)
    if record.step is not None:
        taking_home.button(store, record, f"runs_home_{record.id}")
    if record.model is not None or (record.unreadable and record.step is not None):
        st.download_button(
            "Weights", lambda: table.weights_zip(store, record), f"{stem}.zip",
            "application/zip", icon=":material/download:", on_click="ignore", key=f"runs_weights_{record.id}",
            help="safetensors and a JSON with the config; a ViT's weights load into timm.",
        )  # fmt: skip
        st.download_button(
            "Metrics", lambda: table.metrics_csv(store, record), f"{stem}.csv", "text/csv",
            icon=":material/download:", on_click="ignore", key=f"runs_metrics_{record.id}", help="Every step as CSV.",
        )  # fmt: skip


def _stop_or_resume(store: RunStore, record: RunRecord) -> None:
    with friendly():
        stop_button(store, record, "runs_stop", "secondary")
        if record.resume_refusal is None and st.button("Resume", icon=":material/play_arrow:", key="runs_resume"):
            store.resume(record.id)
            get_backend().ensure()
            st.rerun()


def _rename(store: RunStore, record: RunRecord) -> None:
    if st.session_state.pop(_RENAMED, False):
        st.session_state[_RENAME] = False  # closed again
    popover = st.popover("Rename", icon=":material/edit:", key=_RENAME, on_change="rerun")
    with popover, st.form("runs_rename", border=False), friendly():
        name = st.text_input("New name", record.name, key=f"runs_name_{record.id}")
        if st.form_submit_button("Save", type="primary", key="runs_rename_save"):
            store.rename(record.id, name)
            st.session_state[_RENAMED] = True
            st.rerun()


@dialog("Delete for good?", icon=":material/delete:")
def _confirm_deletion(runs: list[str]) -> None:
    store = caches.store()
    records = [store.get(run) for run in runs if store.has(run)]
    running = [record for record in records if record.state == "running"]
    there = [record for record in records if record.state != "running"]
    if running:
        names = ", ".join(f"{escaped(record.name)} ({record.id})" for record in running)
        st.warning(f"Running, and therefore not deleted: {names}. Stop first what shall go.", icon=":material/stop:")
    if there:
        st.markdown(f"With the weights and the curves, {wording.size(sum(r.disk_bytes for r in there))} in all:")
        st.markdown("\n".join(f"- {escaped(record.name)} ({record.id})" for record in there))
    yes, no = st.columns(2)
    pressed = yes.button(
        ":red[Delete]", icon=":material/delete:", width="stretch", key="runs_delete_yes", disabled=not there
    )
    if pressed:
        with friendly():
            for record in there:
                store.delete(record.id)
                choice.forget([record.id])
            st.session_state[_SELECTED] = []
            st.rerun()
    if no.button("Keep", type="primary", width="stretch", key="runs_delete_no"):
        st.rerun()


# ---------------------------------------------------------------------- what they are


def _details(store: RunStore, record: RunRecord) -> None:
    forking.origin(store, record)
    if record.error:
        st.warning(escaped(record.error), icon=":material/error:")
    if record.unreadable and record.unreadable != record.error:
        st.warning(escaped(record.unreadable), icon=":material/data_alert:")
    if record.config is not None:
        _settings(record.config)


def _settings(config: RunConfig) -> None:
    with st.expander("Its settings", icon=":material/tune:"):
        rows = [
            (setting.label, setting.said(setting.value(config)))
            for setting in settings().values()
            if setting.applies(config.model.architecture)
        ]
        half = -(-len(rows) // 2)
        for column, part in zip(st.columns(2), (rows[:half], rows[half:]), strict=True):
            column.dataframe(
                {"Setting": [name for name, _ in part], "Value": [value for _, value in part]},
                hide_index=True,
                height="content",
            )


def _compare(store: RunStore, selected: list[RunRecord]) -> None:
    st.markdown(f"#### {len(selected)} runs in the same axes")
    axis = choose_axis("runs_axis")
    shown = []
    for i, record in enumerate(selected):
        curves = curves_of(record.id)
        refresh(curves, store, record)
        shown.append(
            (f"{record.name} · {record.id}", curves, theme.PALETTE[i % len(theme.PALETTE)], i >= len(theme.PALETTE))
        )
    draw_curves(shown, axis, key="runs")
