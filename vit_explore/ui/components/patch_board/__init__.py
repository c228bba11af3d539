"""A picture in pieces, to be rearranged by mouse, finger or keyboard: Python hears of every move."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vit_explore.data.pieces import Piece, whole
from vit_explore.plots.canvas import image_uri
from vit_explore.ui.components.declaring import declared

_mount = declared(__file__, '<div class="board"></div>')


def patch_board(image: np.ndarray, side: int, cover: str, *, key: str) -> tuple[Piece, ...]:
    """Mount the board over `image`, uint8 (h, h, 3), in side × side pieces, and give what lies where.

    cover: the colour of covered pieces, for CSS. Another picture or number of pieces begins anew.
    """
    name = f"{hashlib.sha256(image.tobytes()).hexdigest()[:16]}-{side}"
    data = {"id": name, "image": image_uri(image), "side": side, "cover": cover}
    result = _mount(key=key, data=data, default={"board": None}, on_board_change=lambda: None)
    return _heard(result.get("board"), name, side)


def _heard(said: Any, name: str, side: int) -> tuple[Piece, ...]:
    """What the browser says, which may be of another picture, or anything: then every piece lies in its own place."""
    pieces = said.get("pieces") if isinstance(said, Mapping) and said.get("id") == name else None
    if not isinstance(pieces, list) or len(pieces) != side * side:
        return whole(side)
    if not all(isinstance(one, list) and len(one) == 3 and all(isinstance(n, int) for n in one) for one in pieces):
        return whole(side)
    if not all(0 <= source < side * side for source, _, _ in pieces):
        return whole(side)
    return tuple(Piece(source, turns % 4, bool(covered)) for source, turns, covered in pieces)
