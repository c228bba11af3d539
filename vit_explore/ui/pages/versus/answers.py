"""What two runs answered: their numbers, their confusions, and the test images on which they disagree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.runs.records import RunRecord
from vit_explore.training.events import Finished
from vit_explore.training.metrics import side_by_side
from vit_explore.ui.components.predictions import Answer, Card, predictions
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.pages.versus import comparison
from vit_explore.ui.session import caches

Titled = dict[str, RunRecord]  # the two runs by their titles in the figures
_SHOWN = 24  # images of a disagreement


def show(pair: Titled, results: dict[str, Finished | None]) -> None:
    """The table, and what the runs that are over answered."""
    _table(pair, results)
    _answers(pair, results)


def _table(pair: Titled, results: dict[str, Finished | None]) -> None:
    st.markdown("#### In numbers")
    plain = {title: escaped(title) for title in pair}  # cells are Markdown
    rows = comparison.table({plain[t]: r for t, r in pair.items()}, {plain[t]: r for t, r in results.items()})
    st.table(rows, hide_index=True, border="horizontal")


def _answers(pair: Titled, results: dict[str, Finished | None]) -> None:
    done = {title: result for title, result in results.items() if result is not None and result.test_images}
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
    if max(len(a.predictions), len(b.predictions)) > len(test) or _tested_all_of_another(pair, len(test)):
        st.info(
            "The data have changed since these runs were tested, so their answers no longer fit.",
            icon=":material/info:",
        )
        return
    seen, first, second = side_by_side(a.predictions, b.predictions, len(test))
    if not len(seen):
        st.info(
            "One of the two runs was not tested, so there are no answers to lay side by side.", icon=":material/info:"
        )
        return
    found = comparison.disagreements(test.labels[seen], first, second)
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
    st.caption(f"{len(found):,} of {len(seen):,} test images get two different answers; {len(shown)} of them here.")
    shown = [replace(item, index=int(seen[item.index])) for item in shown]
    predictions(cards(shown, test.images, one.classes or (), tuple(pair)), key=f"race_images_{one.id}_{other.id}")


def _tested_all_of_another(pair: Titled, images: int) -> bool:
    """Whether a run's data had another number of test images than they have now."""
    return any(record.test_size not in (None, images) for record in pair.values())


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
