"""What a run in training looks like from the inside: its answers to some pictures, and its newest snapshot."""

from __future__ import annotations

import numpy as np
import streamlit as st

from vit_explore.errors import RunNotFound
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.components.predictions import Answer, Card, predictions, sprite_uri
from vit_explore.ui.kit.curve_charts import curves_of
from vit_explore.ui.kit.curves import Curves
from vit_explore.ui.pages.train.inside import Inside, Watcher
from vit_explore.ui.session import caches


def pictures(run: str) -> None:
    """Validation images with the present answers, and the inside of the newest snapshot."""
    store, curves = caches.store(), curves_of(run)
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
    st.session_state["live_pinned"] = min(st.session_state.get("live_pinned", 1), len(images))
    with st.container(horizontal=True, vertical_alignment="center"):
        heading = st.empty()
        pinned = st.number_input(
            "Pinned image", 1, len(images), key="live_pinned", width=150, persist_state="session",
            help="Which of the validation images above the attention is shown on, counted from 1.",
        )  # fmt: skip
    picture = images[pinned - 1]
    watcher = st.session_state.get("live_watcher")
    if watcher is None or (watcher.run, watcher.pinned) != (record.id, pinned):
        watcher = st.session_state["live_watcher"] = Watcher(record.id, pinned)
    view = watcher.look(store, picture, training=record.state == "running")
    if view is None:
        return
    heading.markdown(f"#### Inside the model · step {view.step:,}")
    tiles, attention = st.columns([1, 1.5], gap="large")
    with tiles:
        _draw_tiles(view)
    with attention:
        _draw_attention(view)


def _draw_tiles(view: Inside) -> None:
    st.markdown("**Position embeddings**")
    if view.tiles is None:
        st.info(view.tiles_note, icon=":material/info:")
        return
    st.image(view.tiles, width="content")
    st.caption(_tiles_caption(view.correlation))


def _draw_attention(view: Inside) -> None:
    st.markdown("**Attention on the pinned image**")
    if not view.blocks:
        st.info(view.attention_note, icon=":material/info:")
        return
    names = ["What it sees", *(name for name, _ in view.blocks)]
    with st.container(key="live_attention"):
        st.image([view.picture, *(png for _, png in view.blocks)], caption=names, width="content")
    st.caption("Bright: where the class token (or, without one, the average patch) looks; mean over the heads.")


def _tiles_caption(correlation: float | None) -> str:
    says = (
        "" if correlation is None or np.isnan(correlation) else f" Similarity follows nearness: r = {correlation:+.2f}."
    )
    return f"Each tile: one patch's embedding against all others; orange alike, blue opposite.{says}"
