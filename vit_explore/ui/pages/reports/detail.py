"""One row: its curves, reported and measured, its figures side by side, what differs, and the button that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Literal

import streamlit as st

from vit_explore import plots
from vit_explore.config import settings
from vit_explore.reports.base import KINDS, Kind, Row
from vit_explore.reports.from_run import record_of
from vit_explore.reports.measured import Record
from vit_explore.runs.store import RunStore
from vit_explore.ui import site
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.pages.reports import run_it, words
from vit_explore.ui.pages.reports.found import Found
from vit_explore.ui.session import address

PlotKind = Literal["reported", "faithful", "scaled", "yours"]
Measure = Literal["accuracy", "loss"]
_MEASURES: dict[Measure, str] = {"accuracy": "Accuracy", "loss": "Loss"}
_NAMES: dict[Kind, str] = {"faithful": "same settings", "scaled": "scaled"}
_MOST_OWN = 3  # own runs whose curves are drawn


def draw(found: Found, rows: Mapping[str, Row], store: RunStore) -> None:
    """The row that the address names."""
    row = found.row
    titles = {name: words.title_of(other) for name, other in rows.items()}
    st.selectbox(
        "Look at", list(titles), format_func=titles.__getitem__, **address.widget("report", "reports_row", row.name)
    )
    st.subheader(row.title, anchor=False)
    st.markdown(row.what)
    st.caption(f"{row.reference}.")
    run_it.draw(row)
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        _curves(found, store)
    with right:
        for title, text in _sentences(row).items():
            st.markdown(f"##### {title}\n{text}")
        if row.page:
            page = site.page(row.page)
            st.page_link(page.path, label=f"More: {page.title}", icon=page.label)
    _facts(found)
    _settings(row)


def _sentences(row: Row) -> dict[str, str]:
    return {
        ":material/difference: What differs": row.differs,
        ":material/edit_note: Our choices": row.choices,
        ":material/compress: Scaled": row.scaled,
    }


# ---------------------------------------------------------------------- curves


def _curves(found: Found, store: RunStore) -> None:
    measure = _pick_measure(found)
    lines = _reported(found.row, measure) + _measured(found, store, measure)
    chance = 1 / found.row.classes if measure == "accuracy" else log(found.row.classes)
    tests = _tests(found) if measure == "accuracy" else []
    chart(plots.report_curves(lines, measure, chance, tests), f"reports_curves_{found.row.name}_{measure}")
    said = [curve.said for curve in found.row.reported.curves if curve.measure == measure]
    if said:
        st.caption(f"Printed: {'; '.join(said)}.")
    elif measure == "accuracy" and found.row.reported.top1 is not None:
        st.caption("Printed: the accuracy at the end alone.")
    else:
        st.caption("Nothing was printed of it.")


def _pick_measure(found: Found) -> Measure:
    """Loss first where that is the curve that was printed."""
    printed = {curve.measure for curve in found.row.reported.curves}
    first: Measure = "loss" if printed == {"loss"} else "accuracy"
    chosen = st.segmented_control(
        "Curve", list(_MEASURES), format_func=_MEASURES.__getitem__, default=first, required=True,
        key=f"reports_measure_{found.row.name}", label_visibility="collapsed",
    )  # fmt: skip
    return chosen or first


def _reported(row: Row, measure: Measure) -> list[plots.ReportLine]:
    return [
        plots.ReportLine(
            "reported", "reported", curve.shares, curve.values,
            [share * (row.reported.epochs or 1) for share in curve.shares],
        )
        for curve in row.reported.curves
        if curve.measure == measure
    ]  # fmt: skip


def _measured(found: Found, store: RunStore, measure: Measure) -> list[plots.ReportLine]:
    """The shipped records, then the newest of the person's own runs."""
    lines = []
    for kind in KINDS:
        for record in found.shipped[kind]:
            lines.append(_line(kind, _NAMES[kind], f"seed {record.seed}", record, measure))
        for run in found.own[kind][:_MOST_OWN]:
            with friendly():  # one that is deleted meanwhile, or damaged, hides no other
                record = record_of(run, store, found.row.preset(kind).name)
                lines.append(_line("yours", f"yours, {_NAMES[kind]}", run.name, record, measure))
    return lines


def _line(kind: PlotKind, name: str, said: str, record: Record, measure: Measure) -> plots.ReportLine:
    points = record.validation if measure == "accuracy" else record.loss
    share, epochs, value = ([point[i] for point in points] for i in range(3))
    return plots.ReportLine(kind, name, share, value, epochs, said, record.is_partial)


def _tests(found: Found) -> list[tuple[PlotKind, str, float]]:
    """The accuracies on the test images, at the end."""
    row = found.row
    tests: list[tuple[PlotKind, str, float]] = []
    if row.reported.top1 is not None and not any(curve.measure == "accuracy" for curve in row.reported.curves):
        tests.append(("reported", "reported, at the end", row.reported.top1 / 100))
    for kind in KINDS:
        if top1 := found.top1(kind):
            tests.append((kind, f"{_NAMES[kind]}, test", top1.median))
    return tests


# ---------------------------------------------------------------------- figures and settings


def _facts(found: Found) -> None:
    """A line for each of: as reported, the same settings here, scaled, yours of both."""
    names = ("reported", "same settings, here", "scaled, here", "yours, same settings", "yours, scaled")
    table = {"Figures": list(names), **words.facts(found)}
    wide = {"Figures": 170, "Top-1": 200, "Top-1 before training": 170, "Macro F1": 150}
    columns = {name: st.column_config.TextColumn(width=wide.get(name, 110), pinned=name == "Figures") for name in table}
    st.dataframe(table, hide_index=True, column_config=columns, height="content", key=f"reports_facts_{found.row.name}")


def _settings(row: Row) -> None:
    """Every setting that the model uses, of the faithful and of the scaled run; those that differ first."""
    with st.expander("The settings of both runs", icon=":material/tune:"):
        configs = {kind: row.preset(kind).config for kind in KINDS}
        shown = [
            (setting.label, *(setting.said(setting.value(config)) for config in configs.values()))
            for setting in settings().values()
            if any(setting.applies(config.model.architecture) for config in configs.values())
        ]
        shown.sort(key=lambda line: line[1] == line[2])
        names, faithful, scaled = zip(*shown, strict=True)
        st.dataframe(
            {"Setting": names, "Same settings as reported": faithful, "Scaled": scaled}, hide_index=True, height=420
        )
