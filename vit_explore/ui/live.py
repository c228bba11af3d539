"""A run on the Train page: watched while it trains, read when it is over. One fragment, so that a tick costs little."""

from __future__ import annotations

import numpy as np
import streamlit as st

from vit_explore.errors import RunNotFound, VitExploreError
from vit_explore.plots import theme
from vit_explore.runs import launcher
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RESUMABLE, RunStore
from vit_explore.ui import caches, wording
from vit_explore.ui.components.live_chart import LiveSeries, live_chart
from vit_explore.ui.components.predictions import Answer, Card, predictions, sprite_uri
from vit_explore.ui.curves import AXES, Curves
from vit_explore.ui.errors import friendly
from vit_explore.ui.inside import Watcher
from vit_explore.ui.results import next_steps, results
from vit_explore.ui.text import escaped
from vit_explore.ui.train_state import new_run, open_run, run_ahead
from vit_explore.ui.versus import is_resnet
from vit_explore.ui.warmup import warm_up

# Seconds between two ticks of the numbers and of the pictures: each element that is sent costs the training some time.
_PACE = {"waiting": (0.5, 3.0), "training": (1.0, 3.0), "over": (None, None)}
SMOOTHING = 0.95  # of the loss: about the last twenty steps
_KEPT = 12  # runs whose curves a session keeps


def watch(run: str) -> None:
    """The run, live. A run that is gone gives one sentence and the way on."""
    store = caches.store()
    try:
        record = store.get(run)
    except RunNotFound as error:
        st.error(wording.sentence(error), icon=":material/error:")
        st.button("Train a new one", type="primary", icon=":material/add:", on_click=new_run, key="train_after_lost")
        return
    others = {other.id: other.name for other in store.list() if other.id != run and other.step}
    phase = phase_of(record)
    every, pictures_every = _PACE[phase]
    st.fragment(_live, run_every=every)(run, phase, others)
    if phase == "over":
        with friendly():
            results(store, record)
    st.fragment(_pictures, run_every=pictures_every)(run)


def phase_of(record: RunRecord) -> str:
    """waiting (for the first step: looked at often), training, or over (not looked at any more)."""
    if record.state not in wording.ACTIVE:
        return "over"
    return "training" if record.state == "running" and record.step else "waiting"


def curves_of(run: str) -> Curves:
    """The session's curves of a run; the runs looked at last are kept."""
    kept: dict[str, Curves] = st.session_state.setdefault("live_curves", {})
    curves = kept.pop(run, None) or Curves(run)
    kept[run] = curves
    while len(kept) > _KEPT:
        kept.pop(next(iter(kept)))
    return curves


def _live(run: str, phase: str, others: dict[str, str]) -> None:
    store = caches.store()
    try:
        record = store.get(run)
        if phase_of(record) != phase:
            st.rerun()  # another pace of looking, or none
        curves = curves_of(run)
        curves.refresh(store, record)
        _head(store, record)
        _status(store, record, curves)
        if phase == "over":
            next_steps(record)
        if record.step is not None:
            _charts(store, record, curves, others)
    except RunNotFound:
        st.rerun()  # deleted in another tab: the page says so
    except VitExploreError as error:
        st.error(wording.sentence(error), icon=":material/error:")


# ---------------------------------------------------------------------- what goes on


def _head(store: RunStore, record: RunRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="live_head"):
        colour, icon = wording.STATE_COLOURS[record.state], wording.STATE_ICONS[record.state]
        st.subheader(
            f"{escaped(record.name)} :{colour}-badge[{icon} {wording.STATE_WORDS[record.state]}]", anchor=False
        )
        _buttons(store, record)


def _buttons(store: RunStore, record: RunRecord) -> None:
    with friendly():
        if record.state in wording.ACTIVE:
            if st.button(
                "Stop", icon=":material/stop:", key="live_stop", type="primary", disabled=record.stop_requested
            ):
                store.request_stop(record.id)
                st.rerun()
        elif _can_resume(record) and st.button(
            "Resume", icon=":material/play_arrow:", key="live_resume", type="primary"
        ):
            store.resume(record.id)
            launcher.ensure_worker()
            st.rerun()
    retry = "Try again with changes" if record.state == "failed" else "Change and train again"
    if st.button(retry, icon=":material/tune:", key="live_change"):
        new_run(record.config)
        st.rerun()
    if st.button("New run", icon=":material/add:", key="live_new"):
        new_run()
        st.rerun()


def _can_resume(record: RunRecord) -> bool:
    return record.state in RESUMABLE and (record.has_checkpoint or record.state != "failed")


def _status(store: RunStore, record: RunRecord, curves: Curves) -> None:
    """The state in words and the four numbers, large enough for the back row."""
    with st.container(border=True, key="live_status"):
        if record.state == "failed":
            st.error(escaped(record.error or "It failed without saying why."), icon=":material/error:")
        elif record.state == "interrupted":
            st.warning(escaped(record.error or "It was interrupted."), icon=":material/power_off:")
        ahead = run_ahead(store, record) if record.state == "queued" else None
        st.progress(wording.progress_of(record), text=f"**{wording.state_line(record, ahead)}**")
        if record.state == "queued":
            _check_worker()
        if record.step is not None:
            with st.container(horizontal=True, gap="medium"):
                for label, value, extra in _numbers(record, curves):
                    st.metric(label, value, extra, delta_color="off", delta_arrow="off", width=168)


def _check_worker() -> None:
    worker = launcher.ensure_worker()
    if worker.state == "failed":
        st.error(
            f"The worker process could not start; {escaped(str(caches.store().home / 'worker.log'))} says why.",
            icon=":material/error:",
        )


def _numbers(record: RunRecord, curves: Curves) -> list[tuple[str, str, str | None]]:
    """(label, value, what to hold it against)."""
    classes = len(record.classes or ()) or None
    guess = f"guessing: {wording.percent(1 / classes, 0)}" if classes else None
    loss = curves.columns.get("loss", np.zeros(0))[-20:]
    shown = f"{loss.mean():.3f}" if len(loss) else "–"
    started = f"at first {curves.columns['loss'][:5].mean():.2f}" if len(loss) else None
    rate = ("Images per second", wording.count(record.images_per_second), f"{wording.count(record.images_seen)} seen")
    if record.test_top1 is not None and record.macro_f1 is not None:
        return [
            ("Test accuracy", wording.percent(record.test_top1), guess),
            ("Macro F1", f"{record.macro_f1:.3f}", None),
            ("Validation accuracy", wording.percent(record.top1), None),
            rate,
        ]
    left = wording.duration(record.remaining) if record.state == "running" else "–"
    return [
        ("Accuracy (validation)", wording.percent(record.top1), guess),
        ("Loss", shown, started),
        rate,
        ("Time left", left, f"epoch {record.epoch or 0:.1f}"),
    ]


# ---------------------------------------------------------------------- curves


def _charts(store: RunStore, record: RunRecord, curves: Curves, others: dict[str, str]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        axis = st.segmented_control(
            "Along", list(AXES), format_func=AXES.__getitem__, default="elapsed", key="live_axis", required=True,
            persist_state="session",
        )  # fmt: skip
        chosen = st.multiselect(
            "Compare with earlier runs", list(others), format_func=others.__getitem__, key=f"live_compare_{record.id}",
            placeholder="none", max_selections=5,
        )  # fmt: skip
    shown = [(record.name, curves, role_colour(record), False)]
    for i, other in enumerate(chosen):
        try:
            theirs = store.get(other)
        except RunNotFound:
            continue  # deleted meanwhile: it leaves the figure
        more = curves_of(other)
        more.refresh(store, theirs)
        shown.append((theirs.name, more, theme.PALETTE[(i + 2) % len(theme.PALETTE)], True))
    draw_curves(shown, axis or "elapsed", key="live", budget=_budget(record, axis or "elapsed"))


def role_colour(record: RunRecord) -> str:
    """A ResNet's run has the ResNet's colour on every page, all others the ViT's."""
    return theme.RESNET if is_resnet(record) else theme.VIT


def draw_curves(shown: list[tuple[str, Curves, str, bool]], axis: str, key: str, budget: float | None = None) -> None:
    """Loss and validation accuracy of runs (name, curves, colour, dashed), side by side, over one axis."""
    left, right = st.columns(2, gap="medium")
    with left:
        live_chart(
            [
                LiveSeries(name, *curves.loss(axis), colour=colour, smooth=SMOOTHING, dash=dash)
                for name, curves, colour, dash in shown
            ],
            key=f"{key}_loss", x_label=AXES[axis], y_label="training loss", budget=budget,
        )  # fmt: skip
    with right:
        live_chart(
            [
                LiveSeries(name, *curves.accuracy(axis), colour=colour, dash=dash, dots=True)
                for name, curves, colour, dash in shown
            ],
            key=f"{key}_accuracy", x_label=AXES[axis], y_label="validation accuracy", budget=budget,
            y_range=(0.0, 1.0), y_format="percent",
        )  # fmt: skip


def _budget(record: RunRecord, axis: str) -> float | None:
    train = record.config.train
    return {"elapsed": train.seconds, "epoch": train.epochs}.get(axis)


# ---------------------------------------------------------------------- pictures


def _pictures(run: str) -> None:
    """Validation images with the present answers, and the inside of the newest snapshot."""
    store, curves = caches.store(), curves_of(run)
    with friendly():
        try:
            record = store.get(run)
        except RunNotFound:
            return  # the other fragment says so
        if curves.evaluations:
            _samples(store, record, curves)


def _samples(store: RunStore, record: RunRecord, curves: Curves) -> None:
    images, labels, classes, sheet = _sample_images(store, record)
    look = curves.evaluations[-1]
    st.markdown(f"#### What it says of {len(images)} validation images · step {look.step:,}")
    predictions(answers(images, labels, classes, look.sample_probs), key="live_samples", sheet=sheet)
    if warm_up().ready:
        _inside(store, record, images)


def _sample_images(store: RunStore, record: RunRecord) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """Images (n, h, w, 3), labels, class names, and the images as one sheet; made once for each attempt of the run."""
    key, kept = (record.id, record.started), st.session_state.get("live_sample_images")
    if kept is None or kept[0] != key:
        started = store.started(record.id)
        if started is None:
            return np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0, np.int64), (), ""
        images = started.sample_images.transpose(0, 2, 3, 1)
        kept = (key, images, started.sample_labels, started.classes, sprite_uri(list(images)))
        st.session_state["live_sample_images"] = kept
    return kept[1:]


def answers(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], probs: np.ndarray) -> list[Card]:
    """A card for each image (n, h, w, 3), with the likeliest class of probs (n, C)."""
    return [
        Card(image, classes[label], [Answer(classes[p.argmax()], bool(p.argmax() == label), float(p.max()))])
        for image, label, p in zip(images, labels, probs, strict=False)
    ]


def _inside(store: RunStore, record: RunRecord, images: np.ndarray) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        heading = st.empty()
        pinned = st.number_input(
            "Pinned image", 1, len(images), key="live_pinned", width=150, persist_state="session",
            help="Which of the validation images above the attention is shown on, counted from 1.",
        )  # fmt: skip
    picture = images[min(pinned, len(images)) - 1]
    watcher = st.session_state.get("live_watcher")
    if watcher is None or (watcher.run, watcher.pinned) != (record.id, pinned):
        watcher = st.session_state["live_watcher"] = Watcher(record.id, pinned)
    view = watcher.look(store, picture, training=record.state == "running")
    if view is None:
        return
    heading.markdown(f"#### Inside the model · step {view.step:,}")
    tiles, attention = st.columns([1, 1.5], gap="large")
    with tiles:
        st.markdown("**Position embeddings**")
        if view.tiles is None:
            st.info(view.tiles_note, icon=":material/info:")
        else:
            st.image(view.tiles, width="content")
            st.caption(_tiles_caption(view.correlation))
    with attention:
        st.markdown("**Attention on the pinned image**")
        if view.blocks:
            names = ["What it sees", *(name for name, _ in view.blocks)]
            st.image([view.picture, *(png for _, png in view.blocks)], caption=names, width="content")
            st.caption("Bright: where the class token (or, without one, the average patch) looks; mean over the heads.")
        else:
            st.info(view.attention_note, icon=":material/info:")


def _tiles_caption(correlation: float | None) -> str:
    says = (
        "" if correlation is None or np.isnan(correlation) else f" Similarity follows nearness: r = {correlation:+.2f}."
    )
    return f"Each tile: one patch's embedding against all others; orange alike, blue opposite.{says}"


def other_active(store: RunStore, active: list[RunRecord]) -> None:
    """Above the form: what is training meanwhile, one click away."""
    for record in active[:3]:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{wording.STATE_ICONS[record.state]} **{escaped(record.name)}** · "
                f"{wording.state_line(record, run_ahead(store, record))}"
            )
            if st.button("Watch", key=f"train_watch_{record.id}", icon=":material/visibility:"):
                open_run(record.id)
                st.rerun()
