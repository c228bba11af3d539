"""Curves of runs in the same axes: what the session knows of them, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from vit_explore.errors import DamagedFile, RunNotFound
from vit_explore.plots import theme
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.components.live_chart import Level, LiveSeries, Mark, live_chart
from vit_explore.ui.kit.curves import AXES, Curves
from vit_explore.ui.kit.text import escaped, told_apart
from vit_explore.ui.session import address

ON_TRAINING = "on training images"  # the name of that curve, beside the axis of the accuracy
SMOOTHING = 0.95  # of the loss: about the last twenty steps
_KEPT = 12  # runs whose curves a session keeps

Shown = tuple[str, Curves, str, bool]  # name, curves, colour, dashed


def curves_of(run: str) -> Curves:
    """The session's curves of a run; the runs looked at last are kept."""
    kept: dict[str, Curves] = st.session_state.setdefault("live_curves", {})
    curves = kept.pop(run, None) or Curves(run)
    kept[run] = curves
    while len(kept) > _KEPT:
        kept.pop(next(iter(kept)))
    return curves


def refresh(curves: Curves, store: RunStore, record: RunRecord) -> None:
    """Read what is new; of a run that is damaged what can be read, with a sentence. Raises RunNotFound."""
    try:
        curves.refresh(store, record)
    except DamagedFile as error:
        st.error(escaped(str(error)), icon=":material/error:")


def choose_curves(record: RunRecord, others: dict[str, str]) -> None:
    """What lies along the axis, and which of the other runs (id -> name) are laid into the same axes."""
    oldest_first = dict(reversed(others.items()))
    names = told_apart(oldest_first, marks={run: run for run in others})
    with st.container(horizontal=True):
        choose_axis("live_axis")
        st.multiselect(
            "Compare with earlier runs", list(others), format_func=lambda run: names.get(run, run),
            key=_compare_key(record.id), placeholder="none", max_selections=4, select_all=False,
            default=[run for run in _first(record) if run in others], persist_state="page",
        )  # fmt: skip


def choose_axis(key: str) -> str:
    """What lies along the axis, in the address."""
    axis = address.one_of("axis", AXES, "elapsed")
    st.segmented_control(
        "Along", list(AXES), format_func=AXES.__getitem__, required=True, **address.widget("axis", key, axis)
    )
    return axis


def draw_chosen(store: RunStore, record: RunRecord, curves: Curves, height: str, levels: Iterable[Level] = ()) -> None:
    """The run's curves, as high as a CSS length says, with those that were chosen below them; levels: heights to hold
    the accuracy against."""
    axis = address.one_of("axis", AXES, "elapsed")
    shown = [(record.name, curves, role_colour(record), False)]
    for i, other in enumerate(st.session_state.get(_compare_key(record.id), _first(record))):
        try:
            theirs = store.get(other)
        except RunNotFound:
            continue  # deleted meanwhile: it leaves the figure
        more = curves_of(other)
        refresh(more, store, theirs)
        name = f"{theirs.name} · {other}" if theirs.name in {title for title, *_ in shown} else theirs.name
        shown.append((name, more, theme.PALETTE[(i + 2) % len(theme.PALETTE)], True))
    x, y = curves.accuracy_on_training(axis)
    beside = LiveSeries(ON_TRAINING, x, y, colour=role_colour(record), of=record.name)
    draw_curves(
        shown, axis, key="live", budget=_budget(record, axis), height=height, beside=[beside], levels=levels,
        about=record.id,
    )  # fmt: skip


def _first(record: RunRecord) -> list[str]:
    """What stands beside a run until a person chooses: beside a fork what it goes on from."""
    return [record.parent] if record.fork_step is not None and record.parent is not None else []


def _compare_key(run: str) -> str:
    return f"live_compare_{run}"


def role_colour(record: RunRecord) -> str:
    """A run has the colour of its model's family on every page."""
    return theme.role_colour(record.family)


def draw_curves(
    shown: list[Shown],
    axis: str,
    key: str,
    budget: float | None = None,
    height: int | str = 300,
    beside: Iterable[LiveSeries] = (),
    levels: Iterable[Level] = (),
    about: str = "",
) -> None:
    """Validation accuracy and loss of runs, side by side, over one axis.

    height: of a chart, as `live_chart` takes it; beside, levels: more curves, and heights, among those of the accuracy;
    about: what all is about, as `live_chart` takes it.
    A chart keeps its zoom while it grows; another axis is another chart.
    """
    marks = marks_of(shown, axis)
    left, right = st.columns(2, gap="medium")
    with left:
        live_chart(
            [
                LiveSeries(name, *curves.accuracy(axis), colour=colour, dash=dash, dots=True)
                for name, curves, colour, dash in shown
            ]
            + list(beside),
            key=f"{key}_accuracy_{axis}", x_label=AXES[axis], y_label="validation accuracy", budget=budget,
            y_range=(0.0, 1.0), y_format="percent", height=height, marks=marks, levels=levels, about=about,
        )  # fmt: skip
    with right:
        live_chart(
            [
                LiveSeries(name, *curves.loss(axis), colour=colour, smooth=SMOOTHING, dash=dash)
                for name, curves, colour, dash in shown
            ],
            key=f"{key}_loss_{axis}", x_label=AXES[axis], y_label="training loss", budget=budget, height=height,
            marks=marks, about=about,
        )  # fmt: skip


def marks_of(shown: list[Shown], axis: str) -> list[Mark]:
    """What was done to the runs: to the first one with labels, to the others in the colours of their curves."""
    out = []
    for i, (name, curves, colour, _) in enumerate(shown):
        for x, mark in zip(curves.marks_on(axis).tolist(), curves.marks, strict=False):
            out.append(Mark(x, "", f"{name}, {mark.text}", colour) if i else Mark(x, mark.short, mark.text))
    return out


def _budget(record: RunRecord, axis: str) -> float | None:
    if record.config is None:
        return None
    train = record.config.train
    return {"elapsed": train.seconds, "epoch": train.epochs}.get(axis)
