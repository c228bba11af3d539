"""What fine-tuning came to: each run's figures, its curves, its classes, and where to look further."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.errors import DamagedFile
from vit_explore.plots.tuning import Part, TuningCurve
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Evaluated, Finished
from vit_explore.training.metrics import f1_of
from vit_explore.ui import site
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.finetune import models
from vit_explore.ui.session import address, caches

EVERY = 1.0  # seconds between two looks while one of them trains
_WORDS = {"head": "head alone", "all": "all of it", "scratch": "from scratch"}


def part_of(record: RunRecord) -> Part:
    """What was trained: head, all, or all of it from scratch."""
    config = record.settings()
    return "scratch" if config.model.init_from is None else config.train.tune


def names(records: list[RunRecord]) -> dict[str, str]:
    """What each run is called here: its model and what was trained, with its id where two would be the same."""
    found = {r.id: f"{models.title_of(source_of(r))} · {_WORDS[part_of(r)]}" for r in records}
    twice = {name for name in found.values() if list(found.values()).count(name) > 1}
    return {run: f"{name} · {run}" if name in twice else name for run, name in found.items()}


def accuracies(records: list[RunRecord]) -> dict[tuple[str, str], float]:
    """(what was trained, title of the model) -> test accuracy of the latest run that was tested."""
    tested = [record for record in records if record.test_top1 is not None and record.config is not None]
    return {(_WORDS[part_of(r)], models.title_of(source_of(r))): r.test_top1 or 0.0 for r in reversed(tested)}


def order(records: list[RunRecord]) -> list[str]:
    """The titles of the models by their first run, which is the order of their colours. records: the newest first."""
    known = [models.title_of(source_of(record)) for record in reversed(records) if record.config is not None]
    return list(dict.fromkeys(known))


def source_of(record: RunRecord) -> str:
    """The reference that a run starts from; of one from scratch, its model in a few words."""
    model = record.settings().model
    return model.init_from or model.card.says(model)


def show(group: str) -> None:
    """Draw it, again and again while a run of the group trains or waits."""
    active = any(record.state in wording.ACTIVE for record in caches.store().list(group=group))
    fragment(_show, every=EVERY if active else None)(group, active)


def _show(group: str, was_active: bool) -> None:
    store = caches.store()
    records = list(reversed([r for r in store.list(group=group) if r.config is not None]))
    if was_active and not any(record.state in wording.ACTIVE for record in records):
        st.rerun()  # over: nothing is looked at again and again
    called = names(records)
    finished = {record.id: _finished(store, record) for record in records}
    _table(records, called, finished)
    _curves(store, records, called)
    tested = [record for record in records if (end := finished[record.id]) is not None and end.test_images]
    if tested:
        _classes(tested, called, finished)
    _further(records, called)


def _finished(store: RunStore, record: RunRecord) -> Finished | None:
    try:
        return store.finished(record.id)
    except DamagedFile:
        return None


def _table(records: list[RunRecord], called: dict[str, str], finished: dict[str, Finished | None]) -> None:
    rows = []
    for record in records:
        end = finished[record.id]
        rows.append(
            {
                "Model · trained": called[record.id],
                "State": wording.STATE_WORDS[record.state] + (f" {wording.progress_of(record):.0%}"
                                                              if record.state == "running" else ""),
                "Accuracy": None if end is None or end.test_top1 is None else 100 * end.test_top1,
                "Macro F1": "–" if end is None or end.macro_f1 is None else f"{end.macro_f1:.3f}",
                "Validation": wording.percent(record.top1),
                "Time": wording.duration(end.train_seconds if end else record.elapsed),
                "Peak memory": wording.size(end.peak_memory) if end and end.peak_memory else "–",
            }
        )  # fmt: skip
    st.dataframe(
        rows,
        column_config={
            "Accuracy": st.column_config.ProgressColumn(
                format="%.1f %%", min_value=0, max_value=100, help="Top-1 on the test images."
            ),
            "Validation": st.column_config.TextColumn(help="Top-1 on the validation images."),
            "Peak memory": st.column_config.TextColumn(
                help="Of the card, or on a CPU of the whole process that trained it, PyTorch included."
            ),
        },
        hide_index=True, height="content",
    )  # fmt: skip
    tested = [end.test_images for end in finished.values() if end is not None and end.test_images]
    if tested and (caution := wording.few_tests(min(tested))):
        st.caption(f":material/warning: {caution}")
    for record in records:
        if record.error:
            st.error(f"{escaped(called[record.id])}: {escaped(record.error)}", icon=":material/error:")


def _curves(store: RunStore, records: list[RunRecord], called: dict[str, str]) -> None:
    titles = order(records[::-1])
    series = []
    for record in records:
        looks, part = _looks(store, record), part_of(record)
        columns = {name: np.array([getattr(look, name) for look in looks]) for name in ("epoch", "top1", "loss")}
        number = titles.index(models.title_of(source_of(record)))
        series.append(TuningCurve(called[record.id], number, part, **columns))
    if not any(len(curve.epoch) for curve in series):
        return
    classes = next((record.classes for record in records if record.classes), None)
    height = 300 + 24 * len(series)  # the legend grows above the curves
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Validation accuracy, epoch by epoch**")
        chart(plots.tuning_curves(series, "top1", 1 / len(classes) if classes else None, height), "tune_accuracy")
    with right:
        st.markdown("**Validation loss, epoch by epoch**")
        chance = float(np.log(len(classes))) if classes else None
        chart(plots.tuning_curves(series, "loss", chance, height), "tune_loss")


def _looks(store: RunStore, record: RunRecord) -> list[Evaluated]:
    try:
        return [look for look in store.evaluations(record.id) if look.split == "val"]
    except DamagedFile:
        return []


def _classes(records: list[RunRecord], called: dict[str, str], finished: dict[str, Finished | None]) -> None:
    ends = {record.id: end for record in records if (end := finished[record.id]) is not None}
    classes = records[0].classes or ()
    left, right = st.columns([1.4, 1], gap="large")
    with left:
        st.markdown("**F1 of each class**")
        _f1_table({called[run]: f1_of(end.confusion) for run, end in ends.items()}, classes)
    with right:
        st.markdown("**Confusion:** rows are the truth, columns the answer")
        run = st.selectbox(
            "Of", list(ends), format_func=lambda run: called.get(run, run), key="tune_confusion",
            label_visibility="collapsed",
        )  # fmt: skip
        if run in ends:
            chart(plots.confusion(ends[run].confusion, classes), f"tune_confusion_{run}")


def _f1_table(f1: dict[str, np.ndarray], classes: tuple[str, ...]) -> None:
    """f1: (C,) by the name of a run. The longer of the two goes down, so that few columns stand side by side."""
    rows: dict[str, Any] = {"Class": list(classes)} | {name: values.tolist() for name, values in f1.items()}
    if len(f1) > len(classes):
        rows = {"Run": list(f1)}
        rows |= {name: [values[i] for values in f1.values()] for i, name in enumerate(classes)}
    bar = st.column_config.ProgressColumn(format="%.3f", min_value=0, max_value=1)
    bars = {name: bar for name in list(rows)[1:]}
    st.dataframe(rows, column_config=bars, hide_index=True, height="content")


def _further(records: list[RunRecord], called: dict[str, str]) -> None:
    """Links: watch a run, or lay its position embeddings beside those of its source."""
    with st.container(border=True), friendly():
        st.markdown("**Look further**")
        for record in records:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(escaped(called[record.id]), width="content")
                st.page_link(
                    site.path("train"), label="Watch", icon=":material/play_circle:",
                    query_params=address.link("train", run=record.id),
                )  # fmt: skip
                card = record.settings().model.card
                if record.model is None or "positions" not in card.answers:
                    continue
                step = 0 if record.settings().model.init_from else None
                st.page_link(
                    site.path("positions"), icon=":material/my_location:",
                    label="Positions, beside its source's" if step == 0 else "Positions",
                    query_params=address.link(
                        "positions", model=f"run:{record.id}", step=step, compare="source" if step == 0 else None
                    ),
                )  # fmt: skip
