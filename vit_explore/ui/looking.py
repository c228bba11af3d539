"""Cached looks inside: the explain functions, keyed by the model's full reference and the picture's SHA-256.

The cached functions return plain arrays in dicts, which survive a change of the code; the dataclass is put together
again outside. Attention maps are large and shared, not copied: they are read-only.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import streamlit as st

from vit_explore import explain
from vit_explore.explain.results import AttentionMaps, FilterComponents, PositionSimilarity
from vit_explore.home import home
from vit_explore.ui import caches
from vit_explore.ui.pictures import Picture
from vit_explore.ui.state import Choice
from vit_explore.ui.warmup import need_torch


def positions(ref: str) -> PositionSimilarity:
    """position_similarity of the model."""
    need_torch()
    return PositionSimilarity(**_positions(ref, str(home())))


def filters(choice: Choice, step: int | None) -> FilterComponents:
    """filter_components at a step; order and signs follow the later snapshots, so that sliding does not flicker.

    The latest one has the natural order, the largest variance first.
    """
    need_torch()
    steps = [s for s in reversed(choice.steps) if step is not None and s >= step]
    return FilterComponents(**_filters(tuple(choice.at(s) for s in steps) or (choice.ref,), str(home())))


def attention(ref: str, picture: Picture) -> AttentionMaps:
    """attention_maps of the model on the picture, one image. Raises NotApplicable, also for maps too large to show."""
    model = caches.model(ref)
    return AttentionMaps(**_attention(ref, picture.key, str(home()), model, picture.pixels))


def probabilities(ref: str, picture: Picture) -> np.ndarray:
    """Softmax over the classes, (C,)."""
    return _probabilities(ref, picture.key, str(home()), caches.model(ref), picture.pixels)


def rollout(ref: str, picture: Picture, fusion: str, discard: float, start: int) -> np.ndarray:
    """attention_rollout, (gh, gw)."""
    maps = attention(ref, picture)
    return explain.attention_rollout(maps, head_fusion=fusion, discard_ratio=discard, start_layer=start)[0]


def heat(name: str, ref: str, picture: Picture, target: int | None) -> np.ndarray:
    """relevance (gh, gw) or grad_cam (h, w) of a class, the predicted one where `target` is None."""
    return _heat(name, ref, picture.key, target, str(home()), caches.model(ref), picture.pixels)


def seen(ref: str, picture: Picture) -> np.ndarray:
    """The picture as the model sees it, uint8 (size, size, 3)."""
    from vit_explore.data.images import resize_crop

    return resize_crop(picture.pixels, caches.model(ref).image_size)


def patch_pixels(ref: str) -> tuple[int, int]:
    """Height and width of a patch of the model. Raises NotApplicable for a model without patches."""
    from vit_explore.explain.geometry import geometry

    return geometry(caches.model(ref).model).patch_size


def top_classes(ref: str, picture: Picture, count: int = 5) -> list[tuple[str, float]]:
    """The most probable classes with their probability, the first first."""
    values, classes = probabilities(ref, picture), caches.model(ref).classes
    best = np.argsort(values)[::-1][:count]
    return [(classes[i] if i < len(classes) else f"class {i}", float(values[i])) for i in best]


@st.cache_data(show_spinner=False, max_entries=128)
def _positions(ref: str, folder: str) -> dict[str, Any]:
    return _plain(explain.position_similarity(_load(ref, folder)))


@st.cache_data(show_spinner=False, max_entries=256)
def _filters(refs: tuple[str, ...], folder: str) -> dict[str, Any]:
    """Of the last of `refs`, which lead from the latest snapshot back to it."""
    previous = FilterComponents(**_filters(refs[:-1], folder)) if len(refs) > 1 else None
    return _plain(explain.filter_components(_load(refs[-1], folder), previous=previous))


@st.cache_resource(show_spinner=False, max_entries=12)
def _attention(ref: str, key: str, folder: str, _model: Any, _pixels: np.ndarray) -> dict[str, Any]:
    result = _plain(explain.attention_maps(_model, _model.preprocess(_pixels)))
    result["weights"].setflags(write=False)
    return result


@st.cache_data(show_spinner=False, max_entries=256)
def _probabilities(ref: str, key: str, folder: str, _model: Any, _pixels: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return _model.model(_model.preprocess(_pixels))[0].float().softmax(-1).cpu().numpy()


@st.cache_data(show_spinner=False, max_entries=64)
def _heat(
    name: str, ref: str, key: str, target: int | None, folder: str, _model: Any, _pixels: np.ndarray
) -> np.ndarray:
    function = {"relevance": explain.relevance, "grad_cam": explain.grad_cam}[name]
    return function(_model, _model.preprocess(_pixels), target)[0]


def _load(ref: str, folder: str) -> Any:
    """A model that is looked at once: it does not take a place among the opened ones."""
    from pathlib import Path

    from vit_explore.runs.references import load_model

    return load_model(ref, Path(folder))


def _plain(result: Any) -> dict[str, Any]:
    return {field.name: getattr(result, field.name) for field in fields(result)}
