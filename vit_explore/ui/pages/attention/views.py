"""The tabs of the Attention page: one row each, with its controls and its drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from vit_explore import plots
from vit_explore.config import DataConfig
from vit_explore.data.images import resize_crop
from vit_explore.explain.catalogue import EXPLANATIONS
from vit_explore.explain.results import AttentionMaps, has_signal
from vit_explore.ui.components.attention_explorer import (
    View,
    attention_explorer,
    explorer_view,
    needs_layer,
    pack_attention,
)
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side, chart, enlarged
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.pictures import OF_THIS_RUN, Picture, dataset_configs
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.session import caches

_EXPLORED, _EXPLORERS = "attention_explored", ("explorer_start", "explorer_now")
_PREDICTED = -1
_SHOWN_SIDE = 448  # pixels of the picture under a map, at most: finer than what the model sees


@dataclass(frozen=True)
class AttentionView:
    """A tab. controls: draws its widgets and gives their values; draw: draws one model's result with them."""

    title: str
    about: str
    explanations: tuple[str, ...]
    controls: Callable[[str], Any]
    draw: Callable[[Side, Picture, Any], None]

    @property
    def needs_attention(self) -> bool:
        return any(EXPLANATIONS.get(name).needs == "attention" for name in self.explanations)


def seen_and_predicted(ref: str, picture: Picture) -> None:
    """The small picture that the model sees, and its five most probable classes."""
    with friendly():
        pixels = looking.seen(ref, picture)
        st.image(
            enlarged(pixels),
            width="stretch",
            caption=f"What the model sees: {pixels.shape[0]} × {pixels.shape[1]} pixels",
        )
        st.markdown("**What it says**" + (f" · it is: *{escaped(picture.truth)}*" if picture.truth else ""))
        for name, probability in looking.top_classes(ref, picture):
            st.progress(
                probability,
                text=f"{escaped(name.partition(',')[0])} · {probability:{'.0%' if probability >= 0.1 else '.1%'}}",
            )


def _explored(_: str) -> View:
    """What both explorers show: the one in which the person chose last leads, the other follows."""
    shared = st.session_state.get(_EXPLORED, View(layer=10**6))  # at first the last layer
    for key in _EXPLORERS:
        seen = st.session_state.get(f"{key}_seen", shared)
        own = explorer_view(key, seen)
        if own != seen:
            shared = own
        st.session_state[f"{key}_seen"] = own
    st.session_state[_EXPLORED] = shared
    return shared


def _explore(side: Side, picture: Picture, shared: View) -> None:
    maps = looking.attention(side.ref, picture)
    view = _fitting(shared, maps)
    packed = pack_attention(maps, layer=view.layer if needs_layer(maps) else None)
    attention_explorer(packed, shown(picture), key=_EXPLORERS[0 if side.ref.endswith("@0") else 1], view=view)


def _fitting(view: View, maps: AttentionMaps) -> View:
    """The view within another model's layers, heads and patches; what it does not have becomes the default."""
    _, layers, heads, _, _ = maps.weights.shape
    head = view.head if view.head is not None and view.head < heads else None
    patch = view.patch if view.patch is not None and view.patch < maps.grid[0] * maps.grid[1] else None
    return View(min(view.layer, layers - 1), head, patch)


def _rollout_controls(ref: str) -> tuple[str, float, int]:
    fusion, discard, start = st.columns(3, gap="medium")
    how = fusion.segmented_control(
        "Heads are fused by their", ["mean", "max", "min"], default="mean", required=True, key="rollout_fusion",
    )  # fmt: skip
    share = discard.slider(
        "Discard the weakest", 0.0, 0.95, 0.0, 0.05, format="percent", key="rollout_discard",
        help="Share of each layer's smallest entries set to 0; those of the tokens before the patches are kept.",
    )  # fmt: skip
    last = _depth(ref)
    first = start.slider("Start at layer", 1, last, 1, key="rollout_start") if last > 1 else 1
    return how, share, first - 1


def _rollout(side: Side, picture: Picture, controls: tuple[str, float, int]) -> None:
    values = looking.rollout(side.ref, picture, *controls)
    chart(plots.attention_rollout(values, shown(picture), side.picture_height), f"rollout_{side.ref}")
    if not looking.attention(side.ref, picture).has_class_token:
        st.caption("This model's head reads no class token: the map is the mean over its patches.")


def _target(ref: str) -> int | None:
    """The class to explain; None for the one that each model predicts."""
    with friendly():
        classes = caches.model(ref).classes
        chosen = st.selectbox(
            "Explain the class", [_PREDICTED, *range(len(classes))], key="attention_target", persist_state="page",
            format_func=lambda i: "the predicted one" if i == _PREDICTED else classes[i],
        )  # fmt: skip
        return None if chosen == _PREDICTED else chosen
    return None


def _relevance(side: Side, picture: Picture, target: int | None) -> None:
    values = looking.heat("relevance", side.ref, picture, target)
    chart(plots.relevance(values, shown(picture), side.picture_height), f"relevance_{side.ref}")
    if not has_signal(values):
        st.caption(
            "There is no signal: attention between the patches does not move this class by more than rounding. "
            "Choose another class."
        )
    _name_target(side.ref, picture, target)


def _grad_cam_controls(ref: str) -> tuple[int | None, str | None]:
    """The class and the layer; None for the default of each."""
    left, right = st.columns(2, gap="medium")
    with left:
        target = _target(ref)
    layers = looking.grad_cam_layers(ref)
    if len(layers) < 2:
        return target, None
    help = "The first is the last that the answer depends on. Earlier ones are finer, and say less about the class."
    return target, right.selectbox("At the layer", layers, key="grad_cam_layer", help=help)


def _grad_cam(side: Side, picture: Picture, controls: tuple[int | None, str | None]) -> None:
    target, layer = controls
    layer = layer if layer in looking.grad_cam_layers(side.ref) else None
    values = looking.heat("grad_cam", side.ref, picture, target, layer)
    chart(plots.grad_cam(values, shown(picture), side.picture_height), f"grad_cam_{side.ref}")
    if not values.any():
        st.caption("The map is 0 everywhere: no place here speaks for the class. Choose another class or layer.")
    _name_target(side.ref, picture, target)


def _name_target(ref: str, picture: Picture, target: int | None) -> None:
    name = looking.top_classes(ref, picture, 1)[0][0] if target is None else caches.model(ref).classes[target]
    st.caption(f"For the class: {escaped(name)}" + (" (predicted)" if target is None else ""))


def _number_controls(_: str) -> tuple[bool, DataConfig | None]:
    renormalise = st.toggle(
        "Leave out what goes to the tokens before the patches", key="distance_renormalise",
        help="The paper counts attention to these as distance 0; on, each row is divided by what is left.",
    )  # fmt: skip
    data = next((config for name, config in dataset_configs().items() if name.endswith(OF_THIS_RUN)), None)
    if data is None:
        st.caption("Measured on this one picture; the paper takes the mean over 128.")
        return renormalise, None
    many = st.toggle(
        f"Mean over {looking.DATA_IMAGES} validation images, in place of this picture", key="distance_many"
    )
    return renormalise, data if many else None


def _numbers(side: Side, picture: Picture, controls: tuple[bool, DataConfig | None]) -> None:
    renormalise, data = controls
    numbers = looking.attention_numbers(side.ref, picture, data, renormalise)
    st.markdown("**How far it looks**: mean attention distance of each head")
    top = 1.7 * numbers.uniform
    chart(plots.attention_distance(numbers.distances, numbers.uniform, max_distance=top), f"distance_{side.ref}")
    st.markdown("**How spread it is**: entropy of each head's attention")
    chart(plots.attention_entropy(numbers.entropies), f"entropy_{side.ref}")


VIEWS = (
    AttentionView(
        "Heads", "Point at a patch to see where it looks; click to hold it. Choose any layer and head.",
        ("attention_maps",), _explored, _explore,
    ),
    AttentionView(
        "Rollout", "All layers together: how much of each patch can have reached the output.",
        ("attention_rollout",), _rollout_controls, _rollout,
    ),
    AttentionView(
        "Relevance", "Rollout in which only attention that speaks for one class counts.",
        ("relevance",), _target, _relevance,
    ),
    AttentionView(
        "Grad-CAM", "Where a late layer holds evidence for one class. It works for ResNets too.",
        ("grad_cam",), _grad_cam_controls, _grad_cam,
    ),
    AttentionView(
        "Distance and entropy", "One dot for each head: near and far, focused and spread.",
        ("attention_distance", "attention_entropy"), _number_controls, _numbers,
    ),
)  # fmt: skip


def shown(picture: Picture) -> np.ndarray:
    """The square of the picture that the model sees, in a finer resolution: what lies under the maps."""
    return resize_crop(picture.pixels, min(_SHOWN_SIDE, *picture.pixels.shape[:2]))


def _depth(ref: str) -> int:
    blocks = getattr(caches.model(ref).model, "blocks", ())
    return max(1, len(blocks))
