"""A run that is over: where to go next, and its results on the test images."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Finished
from vit_explore.ui import site
from vit_explore.ui.kit import closer, guessing, wording
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.picture_data import config_of
from vit_explore.ui.session import address


def next_steps(record: RunRecord) -> None:
    """Links to the pages that look inside, with this run's model already chosen."""
    if record.model is None:
        return
    with st.container(border=True, key="live_next"):
        st.markdown("**Now look inside this model**")
        with st.container(horizontal=True):
            for page in site.offered(record.model.card):
                st.page_link(
                    page.path, label=f"{page.title}: {page.tells}" if page.tells else page.title, icon=page.label,
                    query_params=address.link(page.name, model=f"run:{record.id}"),
                )  # fmt: skip
            st.page_link(
                site.path("versus"), label="Race it against another", icon=":material/compare_arrows:",
                query_params=address.link("versus", one=record.id),
            )  # fmt: skip


def results(store: RunStore, record: RunRecord) -> None:
    """Confusion matrix and accuracy of each class on the test images; nothing before there are any."""
    finished = store.finished(record.id)
    if finished is None or record.classes is None:
        return
    when = "at the end" if record.state == "finished" else "where it stopped"
    if finished.test_images == 0:
        st.markdown(f"#### Not tested {when}")
        return
    guessing.judge(store, record, finished)
    st.markdown(f"#### On {wording.tested_on(record)}, {when}")
    matrix, classes = st.columns([1.6, 1], gap="large")
    with matrix:
        pair = guessing.pair_of(store.guess_of(record.id), record.classes)
        framed = "; framed is your guess" if pair else ""
        st.markdown(f"**Confusion matrix:** rows are the truth, columns what the model said{framed}")
        chart(plots.confusion(finished.confusion, record.classes, guess=pair), f"live_confusion_{record.id}")
    with classes:
        st.markdown("**Accuracy of each class**")
        per_class_table(finished, record.classes)
    with friendly():
        _how_sure(store, record)


def _how_sure(store: RunStore, record: RunRecord) -> None:
    """The reliability diagram, once it is asked for."""
    if not st.toggle("Is it as sure as it should be?", key=f"live_sure_{record.id}"):
        return
    source = f"run:{record.id}"
    step = max(row.step for row in store.snapshots(record.id))
    found = closer.reliability(f"{source}@{step}", config_of(source))
    chart(plots.reliability(found), f"live_reliability_{record.id}")
    st.caption(
        f"On {int(found.counts.sum()):,} validation images: the bars would touch the dashed line if it were right as "
        f"often as it is sure; below it (orange) it is too sure. Expected calibration error: {100 * found.error:.1f} "
        "points (Guo et al. 2017, 15 bins). Label smoothing makes a model less sure than it could be."
    )


def per_class_table(finished: Finished, classes: tuple[str, ...]) -> None:
    """A bar for each class, the best first."""
    rows = sorted(zip(classes, finished.per_class.tolist(), strict=True), key=lambda row: -row[1])
    st.dataframe(
        {"Class": [name for name, _ in rows], "Accuracy": [100 * share for _, share in rows]},
        column_config={"Accuracy": st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100)},
        hide_index=True,
        height="content" if len(rows) <= 12 else 440,
    )
    st.caption(
        f"Macro F1 {finished.macro_f1 or 0.0:.3f}; one run with one seed: another seed gives a point or two more or "
        "less."
    )
