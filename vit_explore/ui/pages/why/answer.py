"""What was measured: the verdict, each cause beside the guess, the seeds as dots, the curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.labs import why
from vit_explore.plots.compare import Curve
from vit_explore.plots.scaling import SeedRow
from vit_explore.sweeps.grids.why import BROKEN, HEAD, NOTHING, REPAIRED
from vit_explore.sweeps.results import Result, as_csv, of_cell
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.sweeping import Found
from vit_explore.ui.kit.text import escaped

_SIDES = {REPAIRED: "repaired", BROKEN: "broken"}
_SHORT = {
    "attention": "attention", "norm": "post-norm, no warm-up", "patches": "patches of 16 px", "recipe": "recipe",
    HEAD: "head: mean of the patches",
}  # fmt: skip
_WORDS = {
    "explains": ":material/check_circle: **explains it**: it harms alone, and its repair is enough to see it",
    "hides": ":material/visibility_off: **harms**, but its repair alone does not show: another cause still holds",
    "helps": ":material/healing: its repair **helps this run**, and a sound run does without it",
    "against": ":material/swap_vert: **not the cause**: a run is clearly better with it than without",
    "nothing": ":material/remove: **does not matter** here: less than the seeds differ, or below a point",
    "undecided": ":material/help: fewer than three seeds: **not decided**",
    "unmeasured": ":material/science: **not measured** yet",
}
_LOSS_WORD = ":material/calculate: **hides the level** of the loss, and changes no weight"


def show(found: Found, guess: Sequence[str]) -> None:
    """All of it; where nothing is measured yet, that."""
    results = found.shown
    st.subheader("What the runs say", anchor=False)
    if not results:
        st.info(
            "Not measured yet: no records of these runs come with the app. Run the variants below; this page fills as "
            "they finish. The arithmetic of the loss needs no run.",
            icon=":material/science:",
        )
    else:
        headline, _, more = why.verdict(results).partition(". ")
        st.markdown(f"#### :material/gavel: {escaped(headline.removesuffix('.'))}.")
        st.markdown(escaped(more))
        _say_whose(found)
    _causes(results, guess)
    if results:
        _figures(results)
        st.download_button(
            "These runs as CSV", as_csv(results), "why.csv", "text/csv", icon=":material/download:", on_click="ignore",
            key="why_csv",
        )  # fmt: skip


def _say_whose(found: Found) -> None:
    seeds = len({result.seed for result in found.shown})
    many = f"{seeds} seed{'' if seeds == 1 else 's'}"
    if found.is_own:
        st.caption(f"From your runs, {many}. The records that come with the app are left aside.")
    elif found.shipped is not None:
        where = f"{escaped(found.shipped.machine)}, {found.shipped.date}"
        st.caption(
            f"From the records that come with the app: {where}, {many}. Your own runs replace them as soon as all have "
            "finished."
        )


# ---------------------------------------------------------------------- each cause


def _causes(results: Sequence[Result], guess: Sequence[str]) -> None:
    """A row for each suspect: the guess, what its repair and it alone move, and what it comes to."""
    table = [_row(effect, guess) for effect in why.effects(results)]
    table.insert(
        why.ALL.index(why.LOSS),
        {"Cause": _named(why.LOSS, guess), "Repaired alone": "–", "Broken alone": "–", "What it does": _LOSS_WORD},
    )
    st.table(table, hide_index=True, border="horizontal")
    st.caption(
        "Repaired alone: points of test accuracy that the report's run gains when this one cause is repaired. "
        "Broken alone: points that a run with all the others repaired loses by it."
    )
    st.markdown(f"**The loss.** {why.arithmetic()} {_guessing_sum()}")
    sentence = why.head_finding(results)
    if sentence:
        st.markdown(f"**Not on the list.** {escaped(sentence)} {_head_meaning(results)}")


def _row(effect: why.Effect, guess: Sequence[str]) -> dict[str, str]:
    loss = None if effect.loss is None else -effect.loss
    return {
        "Cause": _named(effect.cause, guess),
        "Repaired alone": _points(effect.gain),
        "Broken alone": _points(loss),
        "What it does": _WORDS[effect.word],
    }


def _named(cause: why.Cause, guess: Sequence[str]) -> str:
    mark = "  \n:blue[:material/person: your guess]" if cause.name in guess else ""
    return f"**{cause.title}**{mark}"


def _points(value: float | None) -> str:
    return "–" if value is None else f"{round(100 * value, 1) + 0.0:+.1f} points"  # no -0.0


def _guessing_sum() -> str:
    return (
        f"Guessing would print {why.BATCHES} × ln 10 = {why.BATCHES * why.GUESSING:,.0f}: the report's run was just "
        "below that from the first epoch to the last, and a mean in place of a sum would have shown it. (625 batches "
        "are 40,000 images in batches of 64.)"
    )


def _head_meaning(results: Sequence[Result]) -> str:
    """Why the head matters to the first cause, where the numbers show it."""
    cells = [why.SWEEP.cell(NOTHING, REPAIRED), why.SWEEP.cell(HEAD, REPAIRED)]
    report, pooled = (of_cell(results, cell) if cell else None for cell in cells)
    if not why.is_clear(report, pooled):
        return ""
    return (
        "A class token that attends across the batch meets only the other images' class tokens, which are all alike, "
        "so the head reads nothing of the picture. The patches keep their own content on the residual path, and a head "
        "that reads their mean still learns from it: the mistake then stays unnoticed."
    )


# ---------------------------------------------------------------------- figures


def _figures(results: Sequence[Result]) -> None:
    rows = [row for column in _SIDES for row in _dots(results, column)]
    st.markdown("#### Each variant, a dot for each seed")
    chart(plots.seed_dots(rows, {"guessing": 0.1, "reported": why.REPORTED}), "why_dots")
    st.markdown("#### While they learn, on the validation images")
    for place, (column, title) in zip(
        st.columns(2, gap="medium"),
        ((REPAIRED, "The report's run, one cause repaired"), (BROKEN, "A sound run, one cause broken")),
        strict=True,
    ):
        with place:
            st.markdown(f"**{title}**")
            curves = _curves(results, column)
            if curves:
                chart(plots.accuracy_race(curves, "epoch", chance=0.1, height=440), f"why_curves_{_SIDES[column]}")


def _label(row: str, column: str) -> str:
    if row == NOTHING:
        return "the report's run" if column == REPAIRED else "all repaired"
    if row == HEAD:
        return _SHORT[HEAD]
    return f"{_SHORT[row]}: {_SIDES[column]}"


def _dots(results: Sequence[Result], column: str) -> list[SeedRow]:
    rows = []
    for cell in (cell for cell in why.SWEEP.cells if cell.column == column):
        known = of_cell(results, cell)
        if known is not None:
            rows.append(SeedRow(_label(cell.row, column), known.values, int(column == BROKEN)))
    return rows


def _curves(results: Sequence[Result], column: str) -> list[Curve]:
    """The mean of each variant's seeds."""
    curves = []
    for cell in (cell for cell in why.SWEEP.cells if cell.column == column):
        runs = [r.curve for r in results if (r.row, r.column) == (cell.row, cell.column) and r.curve]
        if runs:
            length = min(map(len, runs))
            points = np.array([run[:length] for run in runs]).mean(axis=0)  # (looks, 3)
            name = f"{_label(cell.row, column)} ({wording.percent(float(points[-1, 2]))})"
            curves.append(Curve(name, points[:, 2], dash=cell.row == NOTHING, epoch=points[:, 0]))
    return curves
