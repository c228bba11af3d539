"""Pieces of a picture: each comes from where it is said, turned as it is said, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import vit_explore as vx
from vit_explore.data.pieces import Piece, rearranged, whole
from vit_explore.errors import BadConfig
from vit_explore.ui.components.patch_board import _heard

COVER = (10.0, 20.0, 30.4)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("side", [1, 2, 4, 8, 5])
def test_pieces_in_their_places_are_the_picture(image: np.ndarray, side: int) -> None:
    assert np.array_equal(rearranged(image, whole(side), COVER), image)


def test_each_piece_comes_from_its_source_turned_and_covered(image: np.ndarray) -> None:
    before = image.copy()
    made = rearranged(image, (Piece(3), Piece(1, turns=1), Piece(2, is_covered=True), Piece(0, turns=2)), COVER)
    assert np.array_equal(made[:16, :16], image[16:, 16:])
    assert np.array_equal(made[:16, 16:], np.rot90(image[:16, 16:], -1))  # clockwise
    assert np.array_equal(made[0, 31], image[0, 16])  # its left upper corner is now at the right
    assert (made[16:, :16] == (10, 20, 30)).all()
    assert np.array_equal(made[16:, 16:], image[:16, :16][::-1, ::-1])
    assert np.array_equal(image, before)


def test_what_does_not_divide_stays(image: np.ndarray) -> None:
    made = rearranged(image, tuple(Piece(24 - i) for i in range(25)), COVER)
    assert np.array_equal(made[30:], image[30:])
    assert np.array_equal(made[:6, :6], image[24:30, 24:30])


def test_a_vit_without_positions_does_not_mind_the_order_of_its_patches(image: np.ndarray) -> None:
    torch.manual_seed(0)
    order = np.random.default_rng(1).permutation(64)
    made = rearranged(image, [Piece(int(i)) for i in order], COVER)
    change = {}
    for kind in ("none", "learned"):
        model = vx.create_model(vx.ModelConfig(num_classes=5, pos_embed=kind)).eval()
        x, y = (torch.from_numpy(one).permute(2, 0, 1)[None].float() / 255 for one in (image, made))
        with torch.no_grad():
            change[kind] = float((model(x) - model(y)).abs().max())
    assert change["none"] < 1e-5 < change["learned"]


@pytest.mark.parametrize(
    ("pieces", "words"), [(whole(2)[:3], "3 pieces make no square"), ((Piece(4), *whole(2)[1:]), "do not exist")]
)
def test_pieces_that_cannot_be_are_refused(image: np.ndarray, pieces: tuple[Piece, ...], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        rearranged(image, pieces, COVER)


@pytest.mark.parametrize(
    "said",
    [
        None, "junk", {"id": "b", "pieces": [[0, 0, 0]] * 4}, {"id": "a", "pieces": [[0, 0, 0]] * 3},
        {"id": "a", "pieces": [[4, 0, 0]] * 4}, {"id": "a", "pieces": [["x", 0, 0]] * 4}, {"id": "a", "pieces": None},
    ],
)  # fmt: skip
def test_what_the_browser_says_is_not_trusted(said: object) -> None:
    assert _heard(said, "a", whole(2)) == whole(2)
    left = (Piece(1), Piece(0), Piece(2), Piece(3))
    assert _heard(said, "a", left) == left


def test_what_the_browser_says_is_heard() -> None:
    pieces = _heard({"id": "a", "pieces": [[1, 5, 0], [0, 0, 1], [2, 0, 0], [3, 0, 0]]}, "a", whole(2))
    assert pieces == (Piece(1, 1), Piece(0, 0, True), Piece(2), Piece(3))
