"""The grid as it fills, and accuracy against what grows."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from vit_explore import plots
from vit_explore.data import dataset_status
from vit_explore.plots.scaling import ScalingSeries
from vit_explore.sweeps import Cell, Sweep
from vit_explore.sweeps.group import Group
from vit_explore.sweeps.results import Result, as_csv, of_cell
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.sweeping import Found
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import address

AXES = {
    "column": "as in the grid",
    "train_images": "training images",
    "images_seen": "images seen",
    "flops": "FLOPs",
    "params": "parameters",
    "seconds": "time",
}
_URGENT = ("running", "failed", "queued", "stopped", "interrupted")  # of a cell's states the one that is shown


def show(sweep: Sweep, found: Found) -> None:
    """The table of the grid, the chart over an axis, and the CSV."""
    _say_whose(found)
    st.table(rows(sweep, found), hide_index=True, border="horizontal")
    st.caption("Top-1 on the test images: the mean over the seeds, and below it the lowest to the highest.")
    if not found.shown:
        return
    axis = address.one_of("axis", AXES, sweep.axis)
    st.segmented_control(
        "Accuracy against", list(AXES), format_func=AXES.__getitem__, required=True, wrap=True,
        **address.widget("axis", "scaling_axis", axis),
    )  # fmt: skip
    title = sweep.columns if axis == "column" else ""
    fig = plots.accuracy_scaling(series(sweep, found, axis), axis, title, chance=_chance(sweep))
    chart(fig, f"scaling_{sweep.name}_{axis}")
    _downloads(sweep, found)


def _chance(sweep: Sweep) -> float | None:
    """The accuracy of guessing; None where the cells differ in their classes."""
    asked = {(cell.config.data.dataset, cell.config.data.classes) for cell in sweep.cells}
    counts = {len(classes or dataset_status(dataset).classes or ()) for dataset, classes in asked}
    return 1 / count if len(counts) == 1 and (count := counts.pop()) else None


def _say_whose(found: Found) -> None:
    """Whose numbers these are, before they are read."""
    if found.shipped is not None:
        seeds = len({result.seed for result in found.shipped.results})
        where = f"measured on {escaped(found.shipped.machine)}, {found.shipped.date}, {seeds} seeds"
        beside = (
            "Dotted and grey: the records that come with the app" if found.own else "These records come with the app"
        )
        st.caption(f"{beside}, {where}. {'Solid and black: yours.' if found.own else 'Yours will stand before them.'}")
    elif not found.own and found.group is None:
        st.info(
            "Not measured yet: no records of this sweep come with the app, and you have not run it. "
            "Start it below; the grid fills as it trains.",
            icon=":material/science:",
        )


# ---------------------------------------------------------------------- the table


def rows(sweep: Sweep, found: Found) -> list[dict[str, str]]:
    """A row for each label of the rows, a column for each of the columns."""
    head = f"{sweep.rows} ↓ {sweep.columns} →"
    return [
        {
            head: f"**{escaped(row)}**",
            **{column: _cell(sweep.cell(row, column), found) for column in sweep.column_names},
        }
        for row in sweep.row_names
    ]


def _cell(cell: Cell | None, found: Found) -> str:
    if cell is None:
        return "–"
    detail = f"  \n:gray[:small[{escaped(cell.detail)}]]" if cell.detail else ""
    own = _accuracy(found.own, cell)
    state = _state(found.group, cell) if found.group is not None else ""
    beside = _accuracy(found.shipped.results, cell) if found.shipped else ""
    if own or state:
        mine = "  \n".join(filter(None, (own, state)))
        return mine + (f"  \n{_grey(beside)}" if beside else detail)
    return _grey(beside or "–") + detail


def _grey(text: str) -> str:
    """Each of its lines."""
    return "  \n".join(f":gray[{line}]" for line in text.split("  \n"))


def _accuracy(results: Sequence[Result], cell: Cell) -> str:
    """The mean, and below it the lowest to the highest; "" where nothing has finished."""
    known = of_cell(results, cell)
    if known is None:
        return ""
    span = f"  \n:small[{100 * known.low:.1f}–{100 * known.high:.1f}]" if len(known.values) > 1 else ""
    return f"**{wording.percent(known.mean)}**{span}"


def _state(group: Group, cell: Cell) -> str:
    """What the cell's runs that have not finished are at; "" where all have."""
    runs = [record for record in group.of(cell) if record.state != "finished"]
    if not runs:
        return ""
    first = min(runs, key=lambda record: _URGENT.index(record.state))
    icon = wording.STATE_ICONS[first.state]
    share = f"{100 * wording.progress_of(first):.0f} %" if first.state == "running" else ""
    done = len(group.of(cell)) - len(runs)
    count = f"{done} of {len(group.of(cell))} done" if len(group.of(cell)) > 1 else ""
    return f":{wording.STATE_COLOURS[first.state]}[{icon} {' · '.join(filter(None, (share, count)))}]"


# ---------------------------------------------------------------------- the chart


def series(sweep: Sweep, found: Found, axis: str) -> list[ScalingSeries]:
    """A line for each row: one's own results, and the shipped ones dotted beside them."""
    lines = []
    if found.shipped is not None:
        ending = ", shipped" if found.own else ""
        lines += _lines(sweep, found.shipped.results, axis, ending, dash=bool(found.own))
    return lines + _lines(sweep, found.own, axis, ", yours" if found.shipped else "", dash=False)


def _lines(sweep: Sweep, results: Sequence[Result], axis: str, ending: str, dash: bool) -> list[ScalingSeries]:
    families = {cell.row: cell.config.model.card.family for cell in sweep.cells}
    apart = len(set(families.values())) > 1
    lines = []
    for place, row in enumerate(sweep.row_names):
        points = []
        for cell in (cell for cell in sweep.cells if cell.row == row):
            top1, at = of_cell(results, cell), None if axis == "column" else of_cell(results, cell, axis)
            if top1 is not None:
                points.append((at.mean if at else cell.column, top1, f"{cell.column} {cell.detail}".strip()))
        if axis != "column":
            points.sort(key=lambda point: point[0])
        if points:
            spreads = [known for _, known, _ in points]
            lines.append(
                ScalingSeries(
                    row + ending, [x for x, *_ in points], [known.mean for known in spreads],
                    [known.low for known in spreads], [known.high for known in spreads],
                    [label for *_, label in points], _role(families, row, apart), place, dash,
                )
            )  # fmt: skip
    return lines


def _role(families: dict[str, str], row: str, apart: bool) -> str | None:
    """The family of the row's model where rows are models; a second row of a family gets a colour of no family."""
    if not apart:
        return None
    first = next(name for name, family in families.items() if family == families[row])
    return families[row] if first == row else row


# ---------------------------------------------------------------------- to take away


def _downloads(sweep: Sweep, found: Found) -> None:
    with st.container(horizontal=True):
        stamp = time.strftime("%Y%m%d")
        if found.own:
            st.download_button(
                "Yours as CSV", as_csv(found.own), f"sweep-{sweep.name}-{stamp}.csv", "text/csv",
                icon=":material/download:", on_click="ignore", key=f"scaling_csv_{sweep.name}",
            )  # fmt: skip
        if found.shipped is not None:
            st.download_button(
                "The shipped records as CSV", as_csv(found.shipped.results), f"sweep-{sweep.name}-shipped.csv",
                "text/csv", icon=":material/download:", on_click="ignore", key=f"scaling_csv_shipped_{sweep.name}",
            )  # fmt: skip
