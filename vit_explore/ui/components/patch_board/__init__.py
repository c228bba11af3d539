"""A picture in pieces, to be rearranged by mouse, finger or keyboard: Python hears of every move."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from vit_explore.data.pieces import Piece, whole
from vit_explore.plots.canvas import image_uri
from vit_explore.ui.components.declaring import declared

_MOST = 20  # boards that a session remembers

_mount = declared(__file__, '<div class="board"></div>')


def patch_board(image: np.ndarray, side: int, cover: str, *, key: str) -> tuple[Piece, ...]:
    """Mount the board over `image`, uint8 (h, h, 3), in side × side pieces, and give what lies where.

    cover: the colour of covered pieces, for CSS. Another picture or number of pieces begins anew, and is as it was left
    when it comes back.
    """
    name = f"{hashlib.sha256(image.tobytes()).hexdigest()[:16]}-{side}"
    left: dict[str, tuple[Piece, ...]] = st.session_state.setdefault(f"{key}_left", {})
    before = left.get(name, whole(side))
    pieces = [[piece.source, piece.turns, int(piece.is_covered)] for piece in before]
    data = {"id": name, "image": image_uri(image), "side": side, "cover": cover, "pieces": pieces}
    result = _mount(key=key, data=data, default={"board": None}, on_board_change=lambda: None)
    left.pop(name, None)  # the latest comes last
    left[name] = _heard(result.get("board"), name, before)
    while len(left) > _MOST:
        left.pop(next(iter(left)))
    return left[name]


def _heard(said: Any, name: str, before: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """What the browser says, which may be of another picture, or anything: then it is as it was before."""
    count = len(before)
    pieces = said.get("pieces") if isinstance(said, Mapping) and said.get("id") == name else None
    if not isinstance(pieces, list) or len(pieces) != count:
        return before
    if not all(isinstance(one, list) and len(one) == 3 and all(isinstance(n, int) for n in one) for one in pieces):
        return before
    if not all(0 <= source < count for source, _, _ in pieces):
        return before
    return tuple(Piece(source, turns % 4, bool(covered)) for source, turns, covered in pieces)
