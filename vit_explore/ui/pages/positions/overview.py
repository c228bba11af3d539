"""Which tiles of a large grid are shown at once: an overview that reads, or the tiles about the chosen patch."""

from __future__ import annotations

import streamlit as st

from vit_explore.ui.kit import wording

MOST = 16  # tiles along a side that can still be told apart on the page
_SHOWN, _AROUND = 10, 5  # tiles along a side of the overview, and about the chosen patch
_NEAR = "Around the chosen patch"


def pick(grid: tuple[int, int], key: str) -> dict[str, int]:
    """What `plots.position_similarity` shall show of a grid; draws the choice where not all tiles fit."""
    every = step_of(grid)
    if every == 1:
        return {}
    far = f"Every {wording.ordinal(every)} patch"
    shown = st.segmented_control("Tiles", [far, _NEAR], default=far, required=True, key=key, persist_state="page")
    st.caption(
        f"{grid[0]} × {grid[1]} patches are too many tiles for one picture. Click a tile here, or any patch in the "
        "large map, to choose it."
    )
    return {"around": _AROUND} if shown == _NEAR else {"every": every}


def step_of(grid: tuple[int, int]) -> int:
    """Each so-manieth row and column is shown: 1 where all tiles fit."""
    return 1 if max(grid) <= MOST else -(-max(grid) // _SHOWN)
