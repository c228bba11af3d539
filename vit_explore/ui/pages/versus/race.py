"""A race as it is seen: the chart first, on one fixed axis, with the time that is left; at its end, who won."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from vit_explore.errors import RunNotFound
from vit_explore.plots import theme
from vit_explore.runs.backends import get_backend
from vit_explore.runs.records import RunRecord, seconds_left
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Finished
from vit_explore.ui import site
from vit_explore.ui.components.live_chart import Level, LiveSeries, live_chart
from vit_explore.ui.kit import guessing, wording
from vit_explore.ui.kit.curve_charts import curves_of, refresh
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.run_actions import run_ahead
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.versus import answers, comparison, sides
from vit_explore.ui.pages.versus.sides import Side
from vit_explore.ui.pages.versus.verdict import Score, judge
from vit_explore.ui.session import address, caches, room

Ids = tuple[tuple[str, tuple[str, ...]], ...]  # of both sides: the title, and the ids of its runs
_HEIGHT = 300  # pixels of the chart, so that all of a race is seen at once in a window of 720


def race(one: RunRecord, other: RunRecord, records: list[RunRecord]) -> None:
    """Both sides, live while a run of them is active. records: all runs, the newest first, to find other seeds in."""
    titles, is_repeat = comparison.titles(one, other), sides.repeats(one, other)
    both = [
        Side(title, (record, *(() if is_repeat else sides.other_seeds(record, records, caches.store()))))
        for title, record in zip(titles, (one, other), strict=True)
    ]  # of two that differ in the seed alone each stands for itself: else both sides would be the same runs
    active = any(side.active for side in both)
    _head(both, active, may_repeat=not is_repeat)
    ids: Ids = tuple((side.title, tuple(record.id for record in side.records)) for side in both)
    fragment(_race, every=1.0 if active else None)(ids, active)


# ---------------------------------------------------------------------- above the chart


def _head(both: list[Side], active: bool, may_repeat: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="race_head"):
        st.subheader(" against ".join(escaped(side.title) for side in both), anchor=False)
        if active:
            _stop_button(both)
        elif may_repeat and sides.missing(both) and all(side.shown in side.tested for side in both):
            _seeds_button(both)


def _stop_button(both: list[Side]) -> None:
    runs = [record for side in both for record in side.active if room.may_change(record.owner)]
    if runs and st.button(
        "Stop the race", icon=":material/stop:", type="primary", key="race_stop",
        disabled=all(record.stop_requested for record in runs),
    ):  # fmt: skip
        with friendly():
            for record in sorted(runs, key=lambda record: record.state != "queued"):  # none may start meanwhile
                caches.store().request_stop(record.id)
            st.rerun()


def _seeds_button(both: list[Side]) -> None:
    runs = sides.missing(both)
    seconds = [side.shown.train_seconds or 0.0 for side in both]
    if st.button(
        f"Again with {sides.SEEDS} seeds ({wording.duration(runs * float(np.mean(seconds)))})",
        icon=":material/repeat:", key="race_seeds",
        help=f"Trains {runs} more runs that differ from these two in the seed alone, one after another.",
    ):  # fmt: skip
        with friendly():
            sides.start_seeds(caches.store(), both)
            get_backend().ensure()
            st.rerun()


# ---------------------------------------------------------------------- what changes at each tick


def _race(ids: Ids, was_active: bool) -> None:
    store = caches.store()
    try:
        both = [Side(title, tuple(store.get(run) for run in runs)) for title, runs in ids]
    except RunNotFound:
        address.redraw()  # deleted in another tab: the pickers settle it
    active = any(side.active for side in both)
    if active != was_active:
        address.redraw()
    for side in both:
        for record in side.records:
            refresh(curves_of(record.id), store, record)
    results = {side.title: _result(store, side.shown) for side in both}
    _say_how_it_stands(both, results, active)
    axis = _fixed_axis(both) if active else address.one_of("axis", comparison.AXES, _fixed_axis(both))
    _chart(both, axis)
    _scores(store, both)
    if not active:
        _choose_axis(axis)
        answers.show({side.title: side.shown for side in both}, results)


def _result(store: RunStore, record: RunRecord) -> Finished | None:
    """What the run ended with; None before its end, and for a damaged one, with a sentence."""
    with friendly():
        return store.finished(record.id)
    return None


def _say_how_it_stands(both: Sequence[Side], results: dict[str, Finished | None], active: bool) -> None:
    """The countdown, or the verdict; and what makes the race unfair."""
    unfair = comparison.warning(*(side.shown.settings() for side in both))
    if unfair:
        st.warning(unfair, icon=":material/balance:")
    headline, more = (_countdown(both), _who_leads(both)) if active else _verdict(both, results)
    with st.container(key="race_stands"):  # of one height, so that the chart stays where it is
        st.markdown(f"#### {headline}")
        st.markdown(more)
    if not active:
        _judge_guess(both)


def _judge_guess(both: Sequence[Side]) -> None:
    """Who was said to win, and who did; nothing where nothing was guessed, or not both were tested."""
    said = [caches.store().guess_of(side.shown.id) for side in both]
    if said[0] is not None and said[1] is not None and all(side.shown.test_top1 is not None for side in both):
        tops = [float(side.shown.test_top1 or 0) for side in both]
        st.markdown(f":material/gavel: {escaped(comparison.guessed_winner([s.title for s in both], said, tops))}")


def _verdict(both: Sequence[Side], results: dict[str, Finished | None]) -> tuple[str, str]:
    """A headline, and what it rests on."""
    one, other = (side.shown.settings() for side in both)
    if one.data != other.data:
        return ":material/info: No verdict", "The two had different data, and took different tests."
    scores = _scored(both, results)
    if scores is None:
        return ":material/info: No verdict", "It takes two runs that spent their whole budget and took the test."
    verdict = judge(*scores)
    icon = ":material/trophy:" if verdict.is_decided else ":material/balance:"
    return f"{icon} {escaped(verdict.headline)}", escaped(verdict.evidence)


def _scored(both: Sequence[Side], results: dict[str, Finished | None]) -> tuple[Score, Score] | None:
    scores = []
    for side in both:
        result = results[side.title]
        if result is None or side.shown not in side.tested:
            return None
        top1 = tuple(record.test_top1 for record in side.tested if record.test_top1 is not None)
        scores.append(Score(side.title, top1, result.predictions))
    return scores[0], scores[1]


def _countdown(both: Sequence[Side]) -> str:
    """How long the race still takes, as far as that can be known."""
    seconds = [seconds_left(record) for side in both for record in side.active]
    known = [value for value in seconds if value is not None]
    if any(record.remaining == 0 for side in both for record in side.active):
        return ":material/timer: Testing what it has learned"
    at_once = max(1, min(len(get_backend().devices()), len(known)))
    left = f":material/timer: {wording.duration(sum(known) / at_once)} to go"
    if len(known) == len(seconds):
        return left
    return f"{left}, and then {len(seconds) - len(known)} more" if known else ":material/timer: It is getting ready"


def _who_leads(both: Sequence[Side]) -> str:
    """Who was ahead at the last moment that both have reached."""
    axis = _fixed_axis(both)
    curves = [comparison.race_points(curves_of(side.shown.id), axis, side.shown) for side in both]
    if not all(len(x) for x, _ in curves):
        return "Who trains first sets the mark; the other runs after it on the same axis."
    at = min(float(x[-1]) for x, _ in curves)
    top1 = [float(np.interp(at, *curve)) for curve in curves]
    ahead, behind = (0, 1) if top1[0] >= top1[1] else (1, 0)
    when = f"{at:.0f} s" if axis == "elapsed" else f"epoch {at:.1f}"
    return (
        f"At {when} on the validation images: {escaped(both[ahead].title)} {wording.percent(top1[ahead])}, "
        f"{escaped(both[behind].title)} {wording.percent(top1[behind])}."
    )


def _scores(store: RunStore, both: Sequence[Side]) -> None:
    """Each side's accuracy, how far it is, and the way to its run."""
    for column, side in zip(st.columns(2), both, strict=True):
        with column.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
            record = next((r for r in side.records if r.state == "running"), side.shown)
            is_tested = record.test_top1 is not None
            best = record.test_top1 if is_tested else record.top1
            label = f"{escaped(side.title)} · {'test' if is_tested else 'validation'}"
            st.metric(label, wording.percent(best), width=200)
            with st.container():
                ahead = run_ahead(store, record) if record.state == "queued" else None
                seeds = f"Seed {_place(side, record)} of {len(side.records)}. " if len(side.records) > 1 else ""
                st.progress(wording.progress_of(record), text=f"{seeds}{wording.state_line(record, ahead)}")
                st.page_link(
                    site.path("train"), label="Watch this run", icon=":material/visibility:",
                    query_params=address.link("train", run=record.id),
                )  # fmt: skip


def _place(side: Side, record: RunRecord) -> int:
    return side.records.index(record) + 1


# ---------------------------------------------------------------------- the chart


def _fixed_axis(both: Sequence[Side]) -> str:
    """What the budget is measured in: the axis of a race while it lasts."""
    on_clock = all(side.shown.settings().train.seconds is not None for side in both)
    return "elapsed" if on_clock else "epoch"


def _choose_axis(axis: str) -> None:
    st.segmented_control(
        "Accuracy against", list(comparison.AXES), format_func=comparison.AXES.__getitem__, required=True,
        **address.widget("axis", "race_axis", axis),
    )  # fmt: skip


def _chart(both: Sequence[Side], axis: str) -> None:
    """The accuracies of both sides: a curve each, of several seeds the mean with the band from lowest to highest."""
    same = len({side.shown.family for side in both}) == 1
    series: list[LiveSeries] = []
    for index, side in enumerate(both):
        colour = theme.role_colour(None if same else side.shown.family, index)
        series += _series(side, axis, colour)
    runs = "_".join(side.shown.id for side in both)
    live_chart(
        series, key=f"race_live_{runs}_{axis}", x_label=comparison.AXIS_TITLES[axis], y_label="validation accuracy",
        y_range=(0.0, 1.0), y_format="percent", height=_HEIGHT, budget=_end_of(both, axis), levels=_levels(both, same),
    )  # fmt: skip


def _series(side: Side, axis: str, colour: str) -> list[LiveSeries]:
    points = {record.id: comparison.race_points(curves_of(record.id), axis, record) for record in side.records}
    over = [points[r.id] for r in side.records if r.state not in wording.ACTIVE and len(points[r.id][0])]
    if len(over) < 2:
        main = [LiveSeries(side.title, *points[side.shown.id], colour=colour, dots=True)]
    else:
        x, mean, low, high = sides.band(over)
        main = [LiveSeries(f"{side.title}, {len(over)} seeds", x, mean, colour=colour, dots=True, low=low, high=high)]
    more = [
        LiveSeries(f"{side.title}, seed {_place(side, record)}", *points[record.id], colour=colour, dash=True)
        for record in side.active
        if (record is not side.shown or len(over) >= 2) and len(points[record.id][0])
    ]
    return main + more


def _end_of(both: Sequence[Side], axis: str) -> float | None:
    """Where the axis ends from the start: at the larger budget."""
    if axis not in ("elapsed", "epoch"):
        return None
    train = [side.shown.settings().train for side in both]
    ends = [one.seconds if axis == "elapsed" else one.epochs for one in train]
    known = [end for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None


def _levels(both: Sequence[Side], same: bool) -> list[Level]:
    """What was guessed of each, and the height of guessing at random."""
    levels = _guessing(both)
    for index, (side, place) in enumerate(zip(both, ("left", "middle"), strict=True)):
        colour = theme.role_colour(None if same else side.shown.family, index)
        levels += guessing.levels(side.shown.id, f"your guess: {side.title}", colour, place)
    return levels


def _guessing(both: Sequence[Side]) -> list[Level]:
    classes = {len(side.shown.classes) for side in both if side.shown.classes}
    return [Level(1 / classes.pop(), "guessing")] if len(classes) == 1 else []
