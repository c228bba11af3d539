"""The parts of the Patches page: sizes that fit together, one patch as numbers, the cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.config import ModelConfig
from vit_explore.home import home
from vit_explore.runs.references import find_stored, parse_reference
from vit_explore.ui.kit.chart import chart, image
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.session import address
from vit_explore.ui.session.choice import TIMM, Choice, awaited_run, chosen_model

SIZES = (16, 24, 32, 48, 64, 96, 128, 160, 192, 224)
_MOST_PATCHES = 64  # along a side; more cannot be told apart on the page


def divisors(size: int) -> list[int]:
    """The patch sizes that divide `size`, two pixels at least, with at most 64 patches along a side."""
    return [p for p in range(2, size + 1) if size % p == 0 and size // p <= _MOST_PATCHES]


def pick_sizes() -> tuple[int, int]:
    """Sliders for the image and the patch size, in the URL; only patches that divide the image are on offer."""
    left, right = st.columns(2, gap="large")
    own = cut_of_model()
    size = _fitting("image_px", SIZES, own[0] if own else 32)
    fits = divisors(size)
    asked = address.get("patch_px")
    if asked is not None and asked not in fits:
        nearest = min(fits, key=lambda p: abs(p - asked))
        address.settle(patch_px=nearest)
        right.info(f"Patches of {asked} px do not divide {size} px; {nearest} px is the nearest size that does.")
    usual = own[1] if own and own[1] in fits else 4
    patch = _fitting("patch_px", fits, usual if usual in fits else fits[0])
    left.select_slider(
        "Size of the image that the model sees", SIZES, format_func=lambda s: f"{s} px",
        **address.widget("image_px", "image_px", size),
    )  # fmt: skip
    right.select_slider(
        "Side of a patch", fits, format_func=lambda p: f"{p} px",
        help="Only sizes that divide the image: a patch cannot be cut in two.",
        **address.widget("patch_px", "patch_px", patch),
    )  # fmt: skip
    if (size, patch) == own:
        st.caption(f"So the chosen model cuts it: {size} px in patches of {patch} px.")
    return size, patch


def cut_of_model() -> tuple[int, int] | None:
    """Sides of the image and of a patch of the chosen run or bundled model, in pixels; None where it cuts none."""
    choice, awaited = chosen_model(), awaited_run()
    model = None
    with friendly():
        model = awaited.settings().model if awaited is not None else _config_of(choice)
    if model is None or "patch_size" not in model.card.fields or model.image_size not in SIZES:
        return None
    return model.image_size, model.patch_size


def _config_of(choice: Choice | None) -> ModelConfig | None:
    if choice is None or choice.base.startswith(TIMM):
        return None
    return find_stored(parse_reference(choice.base), home()).config


def _fitting(name: str, sizes: Sequence[int], default: int) -> int:
    """The size of the address; one that is not on offer is refused in a sentence."""
    size = address.get(name)
    if size is not None and size not in sizes:
        address.refuse(name, f"{size} in the address is no size that is offered; here is {default} px.")
    return size if size in sizes else default


def clickable_grid(grid: np.ndarray) -> None:
    """The patches in their places."""
    gh, gw = grid.shape[:2]
    st.markdown(f"##### The grid: {gh} × {gw} patches. Click one")
    chart(plots.patch_grid(grid, selected=_chosen(grid), numbers=gh <= 8, height=440), "patches_grid", _choose)


def one_patch(grid: np.ndarray) -> None:
    """What the projection gets of the chosen patch: its channels, and its numbers in a row."""
    gw, side = grid.shape[1], grid.shape[2]
    chosen = _chosen(grid)
    patch = grid[chosen // gw, chosen % gw]
    channels = [np.where(np.arange(3) == c, patch, 0).astype(np.uint8) for c in range(3)]
    captions = (f"Patch {chosen + 1}", "Red", "Green", "Blue")
    for place, pixels, caption in zip(
        st.columns(4, gap="small", wrap=False), (patch, *channels), captions, strict=True
    ):
        with place:
            image(pixels, f"{caption}: {side} × {side} pixels, enlarged", side=160, caption=caption)
    numbers = (patch.transpose(2, 0, 1).reshape(-1) / 255).round(2)
    shown = ", ".join(f"{n:.2f}" for n in numbers[:8])
    words = f"x = [{shown}, …]   # {side} × {side} pixels × 3 colours = {numbers.size} numbers"
    st.code(words, language="python", wrap_lines=True)
    st.markdown(
        f"The projection multiplies these {numbers.size} numbers by one matrix, the same for every patch: "
        "that is the **token**. Where the patch lay, the numbers do not tell."
    )


def cost(size: int, patch: int) -> None:
    """Tokens and attention weights of this patch size, among the others."""
    tokens = (size // patch) ** 2 + 1
    numbers, figure = st.columns([1, 2], gap="large")
    with numbers:
        st.metric("Tokens, with the class token", f"{tokens:,}")
        st.metric(
            "Attention weights per head and layer", f"{tokens**2:,}", help="Every token looks at every token: N × N."
        )
        if patch % 2 == 0 and patch // 2 in divisors(size):
            more = ((2 * size // patch) ** 2 + 1) ** 2 / tokens**2
            st.markdown(f"Halve the patch to {patch // 2} px, and attention costs **{more:.0f} times** as much.")
    with figure:
        chart(plots.attention_cost(size, current=patch), "patches_cost")


def _chosen(grid: np.ndarray) -> int:
    """The clicked patch, or the one in the middle."""
    gh, gw = grid.shape[:2]
    chosen = address.below("patch", gh * gw)
    return (gh // 2) * gw + gw // 2 if chosen is None else chosen


def _choose(patch: int) -> None:
    address.choose(patch=patch)
