"""What a run in training looks like from the inside: its newest snapshot, and what that says of some pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from vit_explore.cards import offered
from vit_explore.data.spread import spread
from vit_explore.errors import DamagedFile
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.ui.components import inside_view
from vit_explore.ui.components.inside_view import Answers, Panel, Said, Shot
from vit_explore.ui.components.predictions import sprite_uri
from vit_explore.ui.kit import waiting
from vit_explore.ui.pages.train import stage
from vit_explore.ui.pages.train.inside import MAX_BLOCKS, Inside, Watcher

_KEY = "live_inside"
_PLACES, _MOST_PLACES = 8, 10  # sample pictures on the stage; two more where each of nine or ten classes then has one


@dataclass(frozen=True)
class Samples:
    """The validation images whose answers are followed, every class among them where there is room."""

    images: np.ndarray  # (n, h, w, 3) uint8
    labels: np.ndarray  # (n,)
    classes: tuple[str, ...]
    sheet: str  # the images side by side, as a data URI
    places: np.ndarray  # (n,) of the images among those that the run keeps


def pictures(store: RunStore, record: RunRecord) -> None:
    """Tiles, attention and answers of the newest snapshot that was looked into; before the first, their places."""
    samples = _samples(store, record)
    if samples is None:
        _draw(record, None, None, 0)
        return
    pinned = inside_view.pinned(_KEY, len(samples.images))
    watcher = st.session_state.get("live_watcher")
    if watcher is None or watcher.run != record.id:
        watcher = st.session_state["live_watcher"] = Watcher(record.id, pinned)
    watcher.pinned = pinned
    view = watcher.look(store, samples.images, record.state == "running")
    _draw(record, view, samples, pinned)
    if watcher.awaited is not None:
        with st.container(key="live_wait"):
            waiting.watch(watcher.awaited, quiet=True)


def pinned_sample(store: RunStore, record: RunRecord) -> int:
    """The place of the pinned picture among those that the run keeps; the first where they are damaged."""
    try:
        samples = _samples(store, record)
    except DamagedFile:
        samples = None
    return 0 if samples is None else int(samples.places[inside_view.pinned(_KEY, len(samples.images))])


def _draw(record: RunRecord, view: Inside | None, samples: Samples | None, pinned: int) -> None:
    """The three panels; what is not known yet keeps its place."""
    model = record.config.model if record.config else None
    gathers = model is not None and offered("semantic_tokens", model.card)
    maps = 0 if model is None else min(model.semantic_tokens if gathers else model.depth, MAX_BLOCKS)
    panels = _tiles(view), _attention(view, samples, maps, gathers), _answers(view, samples, pinned)
    inside_view.inside_view(*panels, key=_KEY, tall=stage.view() == "inside")


def how_to_read() -> None:
    """What the pictures mean, for who wants to know."""
    st.caption(
        "**Position embeddings**: each tile is one patch's embedding against all others, orange alike, blue opposite; "
        "r says how well similarity follows nearness. **Attention**: bright where the class token (without one: the "
        "average patch) looks, the mean over the heads; click a picture on the right to see the attention on it. "
        "**Answers**: of validation images, which the training never sees."
    )


def choose_samples(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Samples:
    """Some of the images (n, h, w, 3), with every class among them where there is room."""
    chosen = spread(labels, _MOST_PLACES if len(classes) > _PLACES else _PLACES)
    return Samples(images[chosen], labels[chosen], classes, sprite_uri(list(images[chosen])), np.asarray(chosen))


def _samples(store: RunStore, record: RunRecord) -> Samples | None:
    """Made once for each attempt of the run; None before it has begun."""
    key, kept = (record.id, record.started), st.session_state.get("live_samples")
    if kept is None or kept[0] != key:
        started = store.started(record.id)
        if started is None:
            return None
        images = started.sample_images.transpose(0, 2, 3, 1)
        kept = key, choose_samples(images, started.sample_labels, started.classes)
        st.session_state["live_samples"] = kept
    samples: Samples = kept[1]
    return samples


def _tiles(view: Inside | None) -> Panel:
    title = "Position embeddings"
    if view is None:
        return Panel(title, [Shot()])
    if view.tiles is None:
        return Panel(title, note=view.tiles_note)
    known = view.correlation is not None and not np.isnan(view.correlation)
    alt = f"Similarity of the position embeddings at step {view.step}: a tile for each patch"
    return Panel(title, [Shot("", view.tiles, alt)], f"r = {view.correlation:+.2f}" if known else "")


def _attention(view: Inside | None, samples: Samples | None, maps: int, gathers: bool = False) -> Panel:
    """The maps of each block, or, where the model gathers some, of the semantic tokens of its last module."""
    title, noun = ("Semantic tokens", "Token") if gathers else ("Attention", "Block")
    if view is None or samples is None:
        return Panel(title, [Shot()] * (1 + maps))
    if not view.blocks:
        return Panel(title, note=view.attention_note)
    name = samples.classes[samples.labels[view.pinned]]
    on = f"a validation image of class {name}"
    shots = [Shot(name, view.picture, f"The pinned picture: {on}")]
    shots += [Shot(f"{noun} {i}", uri, f"Attention of {noun.lower()} {i} on {on}") for i, uri in view.blocks]
    tokens = f"{len(view.blocks)} of them · " if gathers else ""  # there may be more than are shown
    return Panel(title, shots, f"{tokens}step {view.step:,}")


def _answers(view: Inside | None, samples: Samples | None, pinned: int) -> Answers:
    title = "Answers"
    if samples is None:
        return Answers(title, [Said("")] * _PLACES)
    truths = [samples.classes[label] for label in samples.labels]
    if view is None:
        return Answers(title, [Said(truth) for truth in truths], samples.sheet, pinned)
    said = [_said(samples, label, probs) for label, probs in zip(samples.labels, view.probs, strict=True)]
    right = sum(one.right for one in said)
    return Answers(title, said, samples.sheet, pinned, f"{right} of {len(said)} right")


def _said(samples: Samples, label: int, probs: np.ndarray) -> Said:
    """The likeliest class of probs (C,); none where they are no numbers."""
    if not np.isfinite(probs).all():
        return Said(samples.classes[label])
    best = int(probs.argmax())
    return Said(samples.classes[label], samples.classes[best], bool(best == label), round(float(probs[best]), 4))
