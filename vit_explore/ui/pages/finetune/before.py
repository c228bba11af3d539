"""What the models are worth on these pictures before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from vit_explore import plots
from vit_explore.config import DataConfig
from vit_explore.errors import BadConfig, BadData
from vit_explore.home import home
from vit_explore.runs.store import RunStore
from vit_explore.tuning.results import Probed
from vit_explore.ui.kit import waiting, wording
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.errors import NotYet, friendly
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.finetune import models
from vit_explore.ui.session import caches, room
from vit_explore.ui.session.jobs import Job, Work, relayed, report
from vit_explore.ui.session.warmup import WarmUp, warm_up

_MEASURED = "tune_measured"  # the baselines that this session asked for: (data, reference) -> reference with its step
ZERO_SHOT = (
    "An **untrained head** is random numbers, so it is right as often as guessing is; the report calls this "
    "“zero-shot”. It is not CLIP's zero-shot: CLIP compares a picture with *words* for the classes, and so knows "
    "something of classes that it was never trained on. The other three look at the pictures through the frozen model "
    "and train nothing in it."
)


def ask(data: DataConfig, refs: Sequence[str]) -> None:
    """Measure these from now on."""
    st.session_state[_MEASURED] = _asked() | {(caches.key_of(data), ref): models.exact(ref) for ref in refs}


def is_asked(data: DataConfig, refs: Sequence[str]) -> bool:
    """Whether all of these were asked for; a run that has learned on since then was not."""
    return all(_asked().get((caches.key_of(data), ref)) == models.exact(ref) for ref in refs)


def asked(data: DataConfig, refs: Sequence[str]) -> list[str]:
    """Those of these that were asked for, each with the step that it was at then."""
    found = [_asked().get((caches.key_of(data), ref)) for ref in refs]
    return [ref for ref in found if ref is not None]


def show(data: DataConfig, refs: Sequence[str], trained: Mapping[tuple[str, str], float], order: Sequence[str]) -> None:
    """The bars, and the table, of those that are there; progress in place of the others.

    trained: what training came to, for bars beside them: (what was trained, title of the model) -> test accuracy.
    order: of the titles, which gives them the colours that they have in the curves.
    """
    found, refused = [], set()
    for ref in asked(data, refs):
        with friendly():
            room.check_folder(data.path)
            room.check_model(ref)
            try:
                found.append(waiting.result(_probing(ref, data, str(home()), warm_up())))
            except NotYet:
                st.caption(f"for {escaped(models.title_of(ref))}")
                raise
            except (BadConfig, BadData) as error:  # the pictures: the same for all models
                if str(error) not in refused:
                    refused.add(str(error))
                    raise
    if found:
        _bars(found, trained, order)
        _table(found, bool(trained))


def _asked() -> dict[tuple[str, str], str]:
    return st.session_state.get(_MEASURED, {})


def _probing(ref: str, data: DataConfig, folder: str, warm: WarmUp) -> Job[Probed]:
    def work() -> Work[Probed]:
        yield from warm.waking()
        if ref.startswith("timm:"):
            warm.load("timm")
        from vit_explore.tuning import probe

        return (yield from relayed(probe(ref, data, "cpu", RunStore(Path(folder)), note=report)))

    return Job(("baselines", folder, ref, caches.key_of(data)), "Measuring the baselines", work, is_long=True)


def _bars(found: list[Probed], trained: Mapping[tuple[str, str], float], order: Sequence[str]) -> None:
    rows, parts = [row.title for row in found[0].rows], list(dict.fromkeys(part for part, _ in trained))
    frozen = {models.title_of(one.ref): [row.top1 for row in one.rows] for one in found}
    frozen |= {title: [math.nan] * len(rows) for _, title in trained if title not in frozen}  # from scratch
    titles = dict.fromkeys(title for title in (*order, *frozen) if title in frozen)
    values = {title: frozen[title] + [trained.get((part, title), math.nan) for part in parts] for title in titles}
    labels = [*rows, *(f"Trained: {part}" for part in parts)]
    chart(plots.compare_bars(labels, values, title="test accuracy", height=320), "tune_baselines")
    if trained:
        st.caption(
            "Of several runs of one model, trained alike, the latest is drawn here; the table below has them all."
        )


def _table(found: list[Probed], is_trained: bool) -> None:
    """is_trained: the table of the runs follows, and says what stands below either once."""
    st.dataframe(
        [
            {
                "Model": models.title_of(one.ref), "On its frozen features": row.title, "Accuracy": 100 * row.top1,
                "Macro F1": row.macro_f1, "Took": f"{row.seconds:.1f} s", "Chosen on validation": row.chosen,
            }
            for one in found
            for row in one.rows
        ],
        column_config={
            "Accuracy": st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100),
            "Macro F1": st.column_config.NumberColumn(format="%.3f"),
        },
        hide_index=True, height="content",
    )  # fmt: skip
    one = found[0]
    st.caption(
        f"{one.train_images:,} training, {one.val_images:,} validation and {one.test_images:,} test images of "
        f"{len(one.classes)} classes; the features took {wording.duration(max(p.seconds for p in found))} and are kept."
    )
    if (caution := wording.few_tests(one.test_images)) and not is_trained:
        st.caption(f":material/warning: {caution}")
    st.caption(ZERO_SHOT)
    for warned in dict.fromkeys(filter(None, (p.left_out for p in found))):
        st.warning(escaped(warned), icon=":material/broken_image:")
