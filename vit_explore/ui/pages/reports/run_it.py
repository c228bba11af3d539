"""Run it: the faithful or the scaled run of a row, what it will cost here, and the button that queues it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from vit_explore.config import RunConfig
from vit_explore.presets import Preset
from vit_explore.reports.base import Kind, Row
from vit_explore.runs.backends import get_backend
from vit_explore.training import advice
from vit_explore.training.advice import Preflight
from vit_explore.ui import site
from vit_explore.ui.kit import background
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.run_actions import no_parent, open_run
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address, caches
from vit_explore.ui.session.jobs import JobFailed

_KINDS: dict[Kind, str] = {"scaled": "Scaled: minutes", "faithful": "As reported"}


def draw(row: Row) -> None:
    """The box with the choice, the estimate and the buttons."""
    with st.container(border=True, key="reports_run_box"):
        pick, cost, buttons = st.columns([1.1, 1.6, 1.1], gap="medium", vertical_alignment="center")
        with pick:
            kind = st.segmented_control(
                "**Run it**", list(_KINDS), format_func=_KINDS.__getitem__, default="scaled", required=True,
                key="reports_kind", persist_state="session",
            )  # fmt: skip
        preset = row.preset(kind or "scaled")
        can_run = False
        with cost, friendly():
            if row.needs and kind == "faithful":
                st.markdown(row.needs)
            can_run = _has_pictures(preset.config) and _say_cost(preset.config)
        with buttons:
            _buttons(preset, can_run and _has_its_folder(preset.config))


def _has_its_folder(config: RunConfig) -> bool:
    """False where a row's folder of pictures is not here: its path has to be changed first."""
    return config.data.path is None or Path(config.data.path).expanduser().exists()


def _say_cost(config: RunConfig) -> bool:
    """What it asks of this machine, by a short probe; gives whether it can run. Raises BadConfig, ModelUnavailable."""
    is_busy = bool(caches.store().states().get("running"))
    try:
        found = background.preflight(config, is_busy)
    except JobFailed:
        st.caption("What it costs on this machine could not be estimated; the server's log says why.")
        return True
    if found is None:
        background.wait_for_preflight(config, is_busy)
        return True
    if refusal := advice.refusal(found):
        st.error(escaped(refusal), icon=":material/memory:")
        return False
    _say(found, config)
    return True


def _has_pictures(config: RunConfig) -> bool:
    """Whether the person's own pictures are where the preset looks for them; says so where they are not."""
    path = config.data.path
    if path is None or Path(path).expanduser().exists():
        return True
    st.caption(f":material/folder_off: There is no {path} here; **Change it first** leads to the place for your path.")
    return False


def _say(found: Preflight, config: RunConfig) -> None:
    long = advice.is_long(found, config)
    icon = ":material/hourglass_top:" if long else ":material/schedule:"
    st.markdown(f"{icon} On this machine **{advice.whole(found, config)}**, estimated {advice.source(found)}.")
    if long:
        st.caption("It can be stopped and resumed at any time, and goes on when this page is closed.")


def _buttons(preset: Preset, can_run: bool) -> None:
    if st.button(
        "Run it", type="primary", icon=":material/play_arrow:", width="stretch", key="reports_run",
        disabled=not can_run,
    ):  # fmt: skip
        with friendly():
            run = caches.store().create(preset.config)
            no_parent()
            get_backend().ensure()
            open_run(run)
            st.switch_page(site.path("train"), query_params=address.link("train", run=run))
    if st.button(
        "Change it first", type="secondary" if _has_its_folder(preset.config) else "primary", icon=":material/tune:",
        width="stretch", key="reports_change",
    ):  # fmt: skip
        st.session_state["train_pending"] = preset
        no_parent()
        st.switch_page(site.path("train"), query_params=address.link("train", run=address.NO_RUN))
