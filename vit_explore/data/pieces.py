"""A picture cut into pieces that change places, turn, or are covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vit_explore.errors import BadConfig

MOST = 16  # pieces along a side


@dataclass(frozen=True)
class Piece:
    """What lies at a place. source: the piece of the whole picture, row by row; turns: quarters, clockwise."""

    source: int
    turns: int = 0
    is_covered: bool = False


def whole(side: int) -> tuple[Piece, ...]:
    """Every piece of side × side in its own place."""
    return tuple(map(Piece, range(side * side)))


def rearranged(image: np.ndarray, pieces: Sequence[Piece], cover: Sequence[float]) -> np.ndarray:
    """The picture uint8 (h, w, 3), h = w, with the pieces in these places; cover: the colour of covered ones, 0 to 255.

    What does not divide by the pieces stays at the edge, as it is. Raises BadConfig for no square number of pieces, a
    piece that does not exist, or more than MOST along a side.
    """
    side = round(len(pieces) ** 0.5)
    if side * side != len(pieces) or not 1 <= side <= min(MOST, *image.shape[:2]):
        raise BadConfig(f"{len(pieces)} pieces make no square of 1 to {MOST} along a side.")
    if not all(0 <= piece.source < len(pieces) for piece in pieces):
        raise BadConfig(f"There are {len(pieces)} pieces, counted from 0; some that are asked for do not exist.")
    size, made = min(image.shape[:2]) // side, image.copy()
    for place, piece in enumerate(pieces):
        part = _part(image, piece.source, side, size)
        target = _part(made, place, side, size)
        target[:] = np.rint(cover) if piece.is_covered else np.rot90(part, -piece.turns)
    return made


def _part(image: np.ndarray, place: int, side: int, size: int) -> np.ndarray:
    """A view of the piece at a place."""
    row, column = divmod(place, side)
    return image[row * size : (row + 1) * size, column * size : (column + 1) * size]
