"""Fine-tune: other classes for a model that has learned to see, from baselines to a table of results."""

from __future__ import annotations

import streamlit as st

from vit_explore.config import DataConfig, RunConfig
from vit_explore.errors import VitExploreError
from vit_explore.runs.backends import get_backend
from vit_explore.ui.kit import panel
from vit_explore.ui.kit.errors import NotYet, friendly
from vit_explore.ui.kit.follow import follow_others
from vit_explore.ui.kit.style import style
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.finetune import after, before, data, models, notes
from vit_explore.ui.pages.finetune.models import Plan
from vit_explore.ui.session import address, caches


def show() -> None:
    """Draw the page."""
    style()
    follow_others()
    st.title("Fine-tune")
    st.markdown("A model has learned to see. **How little does it take to teach it *your* classes?**")
    _fill()
    left, middle, right = st.columns(3, gap="medium")
    with left.container(border=True, height="stretch"):
        can_read = data.form()
    with middle.container(border=True, height="stretch"):
        models.form()
    with right.container(border=True, height="stretch"):
        models.part_form()
    if data.needs_folder():
        st.info(
            "Name a folder, or upload a zip, with one sub-folder of pictures for each class.", icon=":material/folder:"
        )
    else:
        with friendly():
            _steps(data.read(), models.read(), can_read)
    panel.panel(notes.baselines(), notes.fine_tuning())


def _fill() -> None:
    """The form as it was, or as the runs in the address have it."""
    group = address.get("group")
    is_new = group is not None and group != st.session_state.get("tune_shown")
    runs = caches.store().list(group=group) if is_new else []
    if group is not None and is_new and not runs:
        address.refuse("group", f"There are no runs of the group {group} here; this is the form for new ones.")
    configs = [run.config for run in runs if run.config is not None]
    if configs:
        st.session_state["tune_shown"] = group
        data.fill(configs[0].data)
        models.fill(configs[::-1])  # in the order in which they were started
    elif not data.is_filled():
        data.fill()


def _steps(images: DataConfig, plan: Plan, can_read: bool) -> None:
    """What to do now, and what came of it. can_read: the pictures are there, and enough."""
    if plan.refs:
        _next(images, plan, can_read)
    else:
        st.info("Choose a model to start from.", icon=":material/hub:")
    group = data.group_of(images)
    runs = caches.store().list(group=group)
    if before.asked(images, plan.refs):
        trained = after.accuracies(runs)
        st.subheader("Before and after" if trained else "Before: frozen features", anchor=False)
        before.show(images, plan.refs, trained, after.order(runs))
    if runs:
        st.subheader("After: the runs on these pictures", anchor=False)
        after.show(group)


def _next(images: DataConfig, plan: Plan, can_read: bool) -> None:
    """The two buttons; the one to press now is filled."""
    configs = _configs(images, plan) if can_read else []
    is_measured = before.is_asked(images, plan.refs)
    for sentence in filter(None, (models.seen_before(ref, images) for ref in plan.refs)):
        st.caption(f":material/history: {sentence}")
    count = len(_runs(plan, configs)) or len(plan.refs)
    with st.container(horizontal=True, vertical_alignment="center"):
        measure = st.button(
            "Measure the baselines", icon=":material/speed:", key="tune_measure", disabled=is_measured or not configs,
            type="secondary" if is_measured else "primary",
        )  # fmt: skip
        start = st.button(
            f"Start {count} run{'' if count == 1 else 's'}", icon=":material/play_arrow:", key="tune_start",
            type="primary" if is_measured else "secondary", disabled=not configs,
        )  # fmt: skip
        if not is_measured:
            st.caption("First what the frozen features are worth, then training.")
    if measure:
        before.ask(images, plan.refs)
        st.rerun()
    if start:
        _start(images, plan, configs)


def _configs(images: DataConfig, plan: Plan) -> list[RunConfig]:
    """Of each model the settings that follow from it; a sentence for one that cannot be had."""
    found = []
    for ref in plan.refs:
        try:
            found.append(models.config_of(ref, images))
        except NotYet:
            continue
        except VitExploreError as error:
            st.error(escaped(str(error)), icon=":material/error:")
            return []
    return found


def _runs(plan: Plan, configs: list[RunConfig]) -> list[RunConfig]:
    """Those of all models, each once: two models of one architecture are the same from scratch."""
    return list(dict.fromkeys(run for config in configs for run in plan.runs(config)))


def _start(images: DataConfig, plan: Plan, configs: list[RunConfig]) -> None:
    """Queue the runs of all models. Raises DiskFull, StoreUnusable, BadConfig."""
    group, runs = data.group_of(images), _runs(plan, configs)
    caches.store().check_start(runs)
    for run in runs:
        caches.store().create(run, group=group)
    get_backend().ensure()
    st.session_state["tune_shown"] = group
    address.choose(group=group)
    st.rerun()
