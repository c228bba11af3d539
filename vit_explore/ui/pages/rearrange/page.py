"""Rearrange it: pieces of a picture change places, and the models answer as they move."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from vit_explore.data.pieces import Piece, rearranged, whole
from vit_explore.plots.heat import blended
from vit_explore.ui.components.patch_board import patch_board
from vit_explore.ui.kit import closer, looking, model_head, model_picker, panel, rivals
from vit_explore.ui.kit.chart import image
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.fragments import fragment
from vit_explore.ui.kit.pictures import Picture, pick_picture
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.pages.rearrange.notes import NOTE

SIDES = (2, 4, 8)
MAPS = ("attention", "grad_cam")  # what is shown of a model: the first that fits it
TILE = 256  # pixels of a map
Models = list[tuple[str, str]]


def show() -> None:
    """Draw the page."""
    model_head.head(
        "Rearrange it",
        "Drag a piece onto another, turn it, cover it. **When does each model no longer know what it sees?**",
    )
    choice = model_picker.require_model("what it makes of your picture when its pieces change places")
    looking.open_or_stop(choice.ref)
    picture = pick_picture(of_model=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown("Pieces along a side", width="content")
        side: int = st.segmented_control(
            "Pieces along a side", SIDES, default=4, required=True, key="rearrange_side", persist_state="page",
            label_visibility="collapsed",
        )  # fmt: skip
        models = [(one.title, one.ref) for one in rivals.with_rival(choice, "rearrange_compare", default=True)]
    with friendly(model_picker.offer_bundled):
        for _, ref in models:
            looking.check_classes(ref)
        fragment(_play)(models, picture, side)
    panel.panel(NOTE)


def _play(models: Models, picture: Picture, side: int) -> None:
    """The board, and beside it each model; only this part runs again at a move."""
    first = looking.model(models[0][1])
    seen, cover = looking.seen(first.ref, picture), [255 * value for value in first.mean]
    left, *columns = st.columns([4, *([3] * len(models))], gap="large")
    with left:
        pieces = patch_board(seen, side, "rgb({:.0f} {:.0f} {:.0f})".format(*cover), key="rearrange_board")
    before = _as_picture(seen, picture)
    now = before if pieces == whole(side) else _as_picture(rearranged(seen, pieces, cover), picture)
    for place, (title, ref) in zip(columns, models, strict=True):
        with place, friendly():
            st.markdown(f"##### {escaped(title)}")
            _answer(ref, before, now)
            _map(ref, now)
    with left:
        _told(pieces, side)


def _as_picture(pixels: np.ndarray, picture: Picture) -> Picture:
    return Picture(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), picture.title, picture.truth)


def _answer(ref: str, before: Picture, now: Picture) -> None:
    """What it says now, beside what it said of the whole picture."""
    classes, odds = looking.model(ref).classes, looking.probabilities(ref, now)
    was = looking.probabilities(ref, before)
    best, first = int(odds.argmax()), int(was.argmax())
    name = escaped(classes[best].partition(",")[0])
    same = ":material/check: still" if best == first else ":material/close: now"
    st.markdown(f"{same} **{name}**" if now.key != before.key else f"says **{name}**")
    for i in dict.fromkeys((first, *np.argsort(odds)[::-1][:3].tolist())):
        moved = f" · was {100 * was[i]:.0f} %" if now.key != before.key else ""
        st.progress(float(odds[i]), text=f"{escaped(classes[i].partition(',')[0])} · {100 * odds[i]:.0f} %{moved}")


def _map(ref: str, now: Picture) -> None:
    known = closer.heat_methods(ref)
    method = next((name for name in MAPS if name in known), None)
    if method is None:
        return
    heat = closer.heatmap(ref, now, None, method)
    alt = f"{known[method].title} on the rearranged picture"
    image(blended(heat.clip(min=0), looking.seen(ref, now), TILE), alt, caption=known[method].title)


def _told(pieces: tuple[Piece, ...], side: int) -> None:
    moved = sum(piece.source != place for place, piece in enumerate(pieces))
    turned = sum(piece.turns > 0 for piece in pieces)
    covered = sum(piece.is_covered for piece in pieces)
    st.caption(f"Of {side * side} pieces {moved} lie elsewhere, {turned} are turned, {covered} are covered.")
