"""Two runs of the page ViT vs ResNet: choose them, and see them race, with what they answer differently."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.errors import RunNotFound
from vit_explore.plots import theme
from vit_explore.plots.compare import Curve
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Finished
from vit_explore.ui import site
from vit_explore.ui.components.live_chart import LiveSeries, live_chart
from vit_explore.ui.components.predictions import Answer, Card, predictions
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.curve_charts import curves_of, refresh
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.run_actions import run_ahead
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.pages.versus import comparison
from vit_explore.ui.session import address, caches
from vit_explore.ui.session.choice import Pair, settle_pair

Titled = dict[str, RunRecord]  # the two runs by their titles in the figures
_TITLES = ("One run", "Against")
_SHOWN = 24  # images of a disagreement


# ---------------------------------------------------------------------- choose two


def pair_view(store: RunStore) -> None:
    """The two chosen runs, or what to do where there are none."""
    records = [
        record
        for record in store.list()
        if record.config is not None and (record.step is not None or record.state in wording.ACTIVE)
    ]
    if len(records) < 2:
        st.info("There are no two runs to compare yet: start the race above.", icon=":material/info:")
        return
    pair = choose_pair(records)
    if pair.one and pair.other and pair.one != pair.other:
        race(pair.one, pair.other)
    else:
        st.info("Choose two different runs, or start the race above.", icon=":material/info:")


def choose_pair(records: list[RunRecord]) -> Pair:
    """Two runs, from the address, the session or the latest; then as the two pickers say."""
    labels = {record.id: f"{record.name} · {record.id}" for record in records}
    by_id = {record.id: record for record in records}
    latest = Pair(*comparison.latest_pair(records))
    pair = settle_pair(by_id, latest, lambda run: comparison.partner(by_id[run], records))
    for name, title, run, column in zip(("one", "other"), _TITLES, (pair.one, pair.other), st.columns(2), strict=True):
        column.selectbox(
            title, list(labels), index=None, format_func=lambda run: labels.get(run, run), placeholder="choose a run",
            **address.widget(name, f"race_{name}", run),
        )  # fmt: skip
    return pair


# ---------------------------------------------------------------------- the race


def race(one: str, other: str) -> None:
    """Both runs, live while one of them is active."""
    store = caches.store()
    with friendly():
        states = {run: store.get(run).state for run in (one, other)}
        active = any(state in wording.ACTIVE for state in states.values())
        fragment(_race, every=1.0 if active else None)((one, other), active)


def _race(runs: tuple[str, str], was_active: bool) -> None:
    store = caches.store()
    try:
        pair = titled([store.get(run) for run in runs])
        active = any(record.state in wording.ACTIVE for record in pair.values())
        if active != was_active:
            st.rerun()
        for record in pair.values():
            refresh(curves_of(record.id), store, record)
        _progress(store, pair)
        unfair = comparison.warning(*(record.settings() for record in pair.values()))
        if unfair:
            st.warning(unfair, icon=":material/balance:")
        _figure(pair, active)
        results = {title: _result(store, record) for title, record in pair.items()}
        _table(pair, results)
        if not active:
            _answers(pair, results)
    except RunNotFound:
        st.rerun()  # deleted in another tab: the pickers settle it


def _result(store: RunStore, record: RunRecord) -> Finished | None:
    """What the run ended with; None before its end, and for a damaged one, with a sentence."""
    with friendly():
        return store.finished(record.id)
    return None


def titled(records: list[RunRecord]) -> Titled:
    """The two records by their titles in the figures: their models, or their names when both are of one kind."""
    one, other = records
    names = comparison.titles(one, other) or tuple(f"{record.name} · {record.id}" for record in records)
    return dict(zip(names, records, strict=True))


def role(record: RunRecord) -> str:
    """Whose colour the run has."""
    return record.family


def _progress(store: RunStore, pair: Titled) -> None:
    for column, (title, record) in zip(st.columns(2), pair.items(), strict=True):
        ahead = run_ahead(store, record) if record.state == "queued" else None
        with column.container(border=True):
            best = record.test_top1 if record.test_top1 is not None else record.top1
            kind = "test" if record.test_top1 is not None else "validation"
            st.metric(f"{escaped(title)}: {kind} accuracy", wording.percent(best))
            st.progress(wording.progress_of(record), text=wording.state_line(record, ahead))
            st.page_link(
                site.path("train"),
                label="Watch this run",
                icon=":material/visibility:",
                query_params=address.link("train", run=record.id),
            )


def _figure(pair: Titled, active: bool) -> None:
    axis = address.one_of("axis", comparison.AXES, "epoch")
    st.segmented_control(
        "Accuracy against", list(comparison.AXES), format_func=comparison.AXES.__getitem__, required=True,
        **address.widget("axis", "race_axis", axis),
    )  # fmt: skip
    points = {title: comparison.race_points(curves_of(record.id), axis, record) for title, record in pair.items()}
    same = len({role(record) for record in pair.values()}) == 1
    runs = "_".join(record.id for record in pair.values())
    if active:
        colours = [_colour(record, i, same) for i, record in enumerate(pair.values())]
        live_chart(
            [
                LiveSeries(title, *points[title], colour=colour, dots=True)
                for title, colour in zip(pair, colours, strict=True)
            ],
            key=f"race_live_{runs}_{axis}", x_label=comparison.AXIS_TITLES[axis], y_label="validation accuracy",
            y_range=(0.0, 1.0), y_format="percent", height=400,
        )  # fmt: skip
        return
    curves = []
    for title, record in pair.items():
        along: dict[str, Any] = {axis: points[title][0]}
        curves.append(Curve(title, top1=points[title][1], role=None if same else role(record), **along))
    classes = {len(record.classes) for record in pair.values() if record.classes}
    chance = 1 / classes.pop() if len(classes) == 1 else None
    chart(plots.accuracy_race(curves, x=axis, chance=chance), f"race_figure_{runs}")


def _colour(record: RunRecord, index: int, same: bool) -> str:
    return theme.role_colour(None if same else role(record), index)


def _table(pair: Titled, results: dict[str, Finished | None]) -> None:
    st.markdown("#### In numbers")
    plain = {title: escaped(title) for title in pair}  # cells are Markdown
    rows = comparison.table({plain[t]: r for t, r in pair.items()}, {plain[t]: r for t, r in results.items()})
    st.table(rows, hide_index=True, border="horizontal")


# ---------------------------------------------------------------------- what they answer


def _answers(pair: Titled, results: dict[str, Finished | None]) -> None:
    done = {title: result for title, result in results.items() if result is not None}
    if done:
        st.markdown("#### Where each goes wrong: confusion on the test images")
        for column, (title, result) in zip(st.columns(2), done.items(), strict=False):
            with column:
                st.markdown(f"**{escaped(title)}**")
                chart(plots.confusion(result.confusion, pair[title].classes or ()), f"race_confusion_{pair[title].id}")
    if len(done) == 2:
        st.markdown("#### The images on which they disagree")
        with friendly():
            _disagreements(pair, done)


def _disagreements(pair: Titled, results: dict[str, Finished]) -> None:
    one, other = pair.values()
    a, b = results.values()
    if one.settings().data != other.settings().data:
        st.info(
            "The two runs have different data, so their answers cannot be laid side by side.", icon=":material/info:"
        )
        return
    test = result(caches.loading(one.settings().data)).test
    if len(test) != len(a.predictions) or len(test) != len(b.predictions):
        st.info(
            "The data have changed since these runs were tested, so their answers no longer fit.",
            icon=":material/info:",
        )
        return
    found = comparison.disagreements(test.labels, a.predictions, b.predictions)
    groups = comparison.kinds(found)
    names = dict(zip(("one", "other"), pair, strict=True))
    labels = {
        "all": f"all {len(found):,}",
        **{kind: f"only {escaped(name)} is right: {len(groups[kind]):,}" for kind, name in names.items()},
        "neither": f"both are wrong: {len(groups['neither']):,}",
    }
    kind = st.segmented_control(
        "Show", list(labels), format_func=labels.__getitem__, default="all", key="race_kind", required=True,
        label_visibility="collapsed",
    ) or "all"  # fmt: skip
    shown = (found if kind == "all" else groups[kind])[:_SHOWN]
    st.caption(f"{len(found):,} of {len(test):,} test images get two different answers; {len(shown)} of them here.")
    predictions(cards(shown, test.images, one.classes or (), tuple(pair)), key=f"race_images_{one.id}_{other.id}")


def cards(
    found: list[comparison.Disagreement], images: np.ndarray, classes: tuple[str, ...], names: tuple[str, ...]
) -> list[Card]:
    """A card with both answers for each disagreement; images (n, 3, h, w)."""
    return [
        Card(
            np.asarray(images[item.index]).transpose(1, 2, 0),
            classes[item.truth],
            [
                Answer(classes[said], said == item.truth, by=name)
                for name, said in zip(names, (item.one, item.other), strict=True)
            ],
        )
        for item in found
    ]
