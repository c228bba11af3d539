"""The head of a page that looks inside: its title, and which model it is about, in a line that keeps up with a run."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from vit_explore.home import home
from vit_explore.runs.records import RunRecord
from vit_explore.runs.references import bundled_facts
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import model_picker, wording
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address, caches, room
from vit_explore.ui.session.choice import Choice, awaited_run, choose, chosen_model, select_run

EVERY = 2.0  # seconds between two looks at a run that trains


def head(title: str, question: str) -> None:
    """Draw a page's title, the line about the chosen model with a way to another one, and what the page asks."""
    st.title(title)
    choice, awaited = chosen_model(), awaited_run()
    if choice is not None or awaited is not None:
        with st.container(horizontal=True, vertical_alignment="center", key="model_head"):
            with st.container(width="content"):
                _draw(choice, awaited)
            if choice is not None and not choice.is_latest:
                st.button(
                    "Latest step", icon=":material/last_page:", type="tertiary", key="model_latest",
                    on_click=choose, args=(choice.base,),
                )  # fmt: skip
            with st.popover("Change", icon=":material/swap_horiz:", type="tertiary", key="model_change"):
                model_picker.draw_picker("head")
    st.markdown(question)


def line(choice: Choice) -> str:
    """The model in one line of markdown: its name, where it comes from, its step, its accuracy there, what it does.

    Raises RunNotFound for a run that was deleted meanwhile.
    """
    kind, _, name = choice.base.partition("@")[0].partition(":")
    told = {"run": _of_run, "bundled": _of_bundled, "timm": _of_timm}[kind](choice, name)
    return " · ".join([f"**{escaped(choice.title)}**", *told])


def _draw(choice: Choice | None, awaited: RunRecord | None) -> None:
    if awaited is not None:
        fragment(_awaiting, every=EVERY / 2)(awaited.id, choice.title if choice else None)
    elif choice is not None and _is_active(choice):
        fragment(_following, every=2 * EVERY if room.is_served() else EVERY)(choice)  # thirty of them, in a lesson
    elif choice is not None:
        st.markdown(line(choice))


def _is_active(choice: Choice) -> bool:
    kind, _, run = choice.base.partition(":")
    return kind == "run" and caches.store().get(run).state in wording.ACTIVE


def _awaiting(run: str, instead: str | None) -> None:
    """Until the first snapshot, which the page then shows by itself."""
    store = caches.store()
    if not store.has(run) or store.snapshots(run) or store.get(run).state not in wording.ACTIVE:
        address.redraw()
    record = store.get(run)
    shown = f"here is **{escaped(instead)}** until its first step" if instead else "it is shown from its first step on"
    st.markdown(
        f"**{escaped(record.name)}** · run {run} · {wording.STATE_WORDS[record.state]} · "
        f"it has no weights yet; {shown}."
    )


def _following(choice: Choice) -> None:
    """The line of a run that trains; a newer snapshot is offered, not forced on who is looking at one."""
    run, told = (
        choice.base.partition(":")[2],
        _told(str(home()), f"{choice.at(choice.step)} {choice.title} {choice.steps[-1:]}", choice),
    )
    if told is None:
        address.redraw()
    words, newest = told
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(words, width="content")
        if choice.is_latest and newest != choice.step:
            label = f"Show step {newest:,}"
            st.button(label, icon=":material/update:", key="model_newest", on_click=select_run, args=(run,))


@st.cache_data(show_spinner=False, ttl=EVERY / 2, max_entries=64)
def _told(folder: str, key: str, _choice: Choice) -> tuple[str, int] | None:
    """The line and the newest step, for all who look at this snapshot of a run; None: the page is to be drawn anew."""
    store, run = RunStore(Path(folder)), _choice.base.partition(":")[2]
    if not store.has(run) or store.get(run).state not in wording.ACTIVE:
        return None
    if not (snapshots := store.snapshots(run)):  # resumed without a checkpoint, it begins anew
        return None
    store.watched(run)  # so that its process makes snapshots on the clock
    return line(_choice), snapshots[-1].step


def _of_run(choice: Choice, run: str) -> list[str]:
    store = RunStore(home())
    record = store.get(run)
    parts = [f"run {run}", _step(choice), _accuracy(choice, record, store)]
    state = "" if record.state == "finished" else wording.STATE_WORDS[record.state]
    if record.state == "running" and record.step is not None:
        state += f", now at step {record.step:,}"
    return [part for part in (*parts, state) if part]


def _accuracy(choice: Choice, record: RunRecord, store: RunStore) -> str:
    """On the test images at the end; before that the last on the validation images up to the chosen step."""
    if choice.is_latest and record.test_top1 is not None and record.state not in wording.ACTIVE:
        return f"{wording.percent(record.test_top1)} test"
    look = None if choice.step is None else store.top1_by(record.id, choice.step)
    if look is None:
        return ""
    step, top1 = look
    at = "" if step == choice.step else f" (step {step:,})"
    return f"{wording.percent(top1)} validation{at}"


def _of_bundled(choice: Choice, name: str) -> list[str]:
    top1 = bundled_facts(name).get("test_top1") if choice.is_latest else None
    return [part for part in ("bundled", _step(choice), f"{wording.percent(top1)} test" if top1 else "") if part]


def _of_timm(choice: Choice, name: str) -> list[str]:
    return ["timm", "random weights: untrained" if choice.base.endswith("@random") else "published weights"]


def _step(choice: Choice) -> str:
    if choice.step is None:
        return ""
    return f"step {choice.step:,}" + ("" if choice.is_latest else f" of {choice.steps[-1]:,}")
