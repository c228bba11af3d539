"""Position embeddings: does the model know that its sequence of patches is a picture?"""

from __future__ import annotations

import math

import streamlit as st

from vit_explore import plots
from vit_explore.explain.results import PositionSimilarity
from vit_explore.ui.kit import looking, model_head, model_picker, panel
from vit_explore.ui.kit.chart import Side, chart, column
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.pages.positions import overview
from vit_explore.ui.session import address


def choose_patch(patch: int) -> None:
    address.choose(patch=patch)


def chosen_patch(grid: tuple[int, int]) -> tuple[int, int]:
    """Row and column of the enlarged tile: the clicked one, or one off the centre at first."""
    gh, gw = grid
    patch = address.below("patch", gh * gw)
    return divmod((gh // 3) * gw + gw // 3 if patch is None else patch, gw)


def same_place(patch: tuple[int, int], grid: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """The patch of another grid at the same place of the picture."""
    row, column = ((2 * at + 1) * there // (2 * here) for at, here, there in zip(patch, grid, other, strict=True))
    return row, column


def patch_of(side: Side, result: PositionSimilarity) -> tuple[int, int]:
    """The chosen patch, on this side's grid."""
    grid = looking.positions(side.all[-1]).grid
    return same_place(chosen_patch(grid), grid, result.grid)


def tiles(side: Side, titled: bool) -> None:
    with column(side, titled):
        result = looking.positions(side.ref)
        place = "now" if side.ref == side.all[-1] else "beside"
        shown = overview.pick(result.grid, key=f"tiles_shown_{side.is_half}_{place}")
        figure = plots.position_similarity(result, selected=patch_of(side, result), height=520, **shown)
        chart(figure, f"tiles_{side.ref}", choose_patch if side.model is None else None)


def enlarged(side: Side, titled: bool) -> None:
    with column(side, titled):
        result = looking.positions(side.ref)
        r, c = patch_of(side, result)
        figure = plots.position_tile(result, r, c, height=360)
        chart(figure, f"tile_{side.ref}", choose_patch if side.model is None else None)
        numbers(result)
        if len(result.prefix):
            st.markdown("**The tokens in front of the patches**")
            chart(plots.position_prefix(result, height=230), f"prefix_{side.ref}")


def numbers(result: PositionSimilarity) -> None:
    left, right = st.columns(2)
    r = result.distance_correlation
    left.metric(
        "Similarity follows nearness", "—" if math.isnan(r) else f"{r:+.2f}",
        help="Correlation of similarity and minus the distance on the grid, over all pairs of patches: "
        "0 is noise, +1 a perfect map.",
    )  # fmt: skip
    right.metric(
        "Noise floor", f"±{result.noise_floor:.2f}",
        help="1/√D: the size of the cosine of two random vectors. Smaller values mean nothing.",
    )  # fmt: skip


def say_resampled(both: list[Side]) -> None:
    """Where a run started from the weights of a model with another grid: what was done to its embeddings."""
    now, beside = both
    if beside.model is None or address.get("compare") != "source":
        return
    grids = [looking.positions(side.ref).grid for side in (beside, now)]
    if grids[0] != grids[1]:
        before, after = (f"{gh} × {gw}" for gh, gw in grids)
        st.caption(
            f":material/aspect_ratio: Resampled from {before} to {after} patches when the run began: bicubic "
            "interpolation on the grid, as in the paper's section 3.2. At step 0 nothing else has happened to them."
        )


def models(both: list[Side]) -> None:
    """One model with its tiles and the chosen one side by side, or two models below each other."""
    if len(both) == 1:
        wide, narrow = st.columns([3, 2], gap="large")
        with wide:
            st.markdown("##### One tile for each patch: click one to enlarge it")
            tiles(both[0], titled=False)
        with narrow:
            st.markdown("##### The chosen patch against all others")
            enlarged(both[0], titled=False)
        return
    say_resampled(both)
    for draw in (tiles, enlarged):
        for place, side in zip(st.columns(2, gap="large"), both, strict=True):
            with place:
                draw(side, titled=True)


def show() -> None:
    """Draw the page."""
    model_head.head(
        "Position embeddings",
        "A transformer gets a *sequence* of patches. **Has the model found out that it is a picture?**",
    )
    choice = model_picker.require_model(
        "how its position embeddings become a map of the picture", "position_similarity"
    )
    looking.open_or_stop(choice.ref, "position_similarity")
    left, right = st.columns([3, 2], vertical_alignment="bottom", gap="large")
    with left:
        model_picker.snapshot_slider()
    with right:
        both = model_picker.pick_beside(choice, "positions_beside")
    with friendly(model_picker.offer_bundled):
        looking.positions(choice.ref)  # a model without any is told so once
        models(both)
    panel.panel(panel.of_explanation("position_similarity"))
