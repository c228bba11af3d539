"""Cached looks inside: the explain functions, keyed by the model's full reference and the picture's SHA-256.

The cached functions return plain arrays in dicts, which survive a change of the code; the dataclass is put together
again outside. Attention maps are large and shared, not copied: they are read-only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import streamlit as st

from vit_explore import explain
from vit_explore.config import DataConfig
from vit_explore.explain.results import AttentionMaps, FilterComponents, PositionSimilarity
from vit_explore.home import home
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.session import caches
from vit_explore.ui.session.choice import Choice
from vit_explore.ui.session.warmup import need_torch

DATA_IMAGES = 32
_SHOWN_SIDE = 448  # pixels of the picture under a map, at most: finer than what the model sees


@dataclass(frozen=True)
class AttentionNumbers:
    """distances: (L, H) pixels; uniform: the distance of attention spread evenly; entropies: (L, H) in [0, 1]."""

    distances: np.ndarray
    uniform: float
    entropies: np.ndarray


def open_or_stop(ref: str) -> None:
    """Open the model, or say in one sentence why it cannot be opened, and end the script."""
    with friendly():
        caches.model(ref)
        if ref.endswith("@random"):
            st.info(
                "These weights are random: an untrained model, whose answers mean nothing.", icon=":material/casino:"
            )
        return
    st.stop()


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


def attention_numbers(ref: str, picture: Picture, data: DataConfig | None, renormalise: bool) -> AttentionNumbers:
    """Distance and entropy of each head, on the picture, or the mean over validation images of `data`."""
    model, folder = caches.model(ref), str(home())
    key, images = picture.key, [picture.pixels]
    if data is not None:
        key, split = data.model_dump_json(), caches.dataset(data).val
        images = list(split.images[:DATA_IMAGES].transpose(0, 2, 3, 1))
    return AttentionNumbers(*_attention_numbers(ref, key, renormalise, folder, model, images))


def rollout(ref: str, picture: Picture, fusion: str, discard: float, start: int) -> np.ndarray:
    """attention_rollout, (gh, gw)."""
    maps = attention(ref, picture)
    return explain.attention_rollout(maps, head_fusion=fusion, discard_ratio=discard, start_layer=start)[0]


def heat(name: str, ref: str, picture: Picture, target: int | None, layer: str | None = None) -> np.ndarray:
    """relevance (gh, gw), or grad_cam (h, w) at a layer, of a class, the predicted one where `target` is None."""
    return _heat(name, ref, picture.key, target, layer, str(home()), caches.model(ref), picture.pixels)


def grad_cam_layers(ref: str) -> list[str]:
    """The layers that grad_cam may be asked about, the default first."""
    return _grad_cam_layers(ref, str(home()), caches.model(ref))


def seen(ref: str, picture: Picture, size: int | None = None) -> np.ndarray:
    """The part of the picture that the model sees, uint8 (size, size, 3); without a size in the model's own."""
    return caches.model(ref).seen(picture.pixels, size)


def under_maps(ref: str, picture: Picture) -> np.ndarray:
    """The part of the picture that the model sees, in a finer resolution: what lies under the maps."""
    return seen(ref, picture, min(_SHOWN_SIDE, *picture.pixels.shape[:2]))


def check_tokens(ref: str) -> None:
    """Raises NotApplicable for a model that keeps no sequence of patch tokens."""
    from vit_explore.explain.geometry import geometry

    geometry(caches.model(ref).model)


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


@st.cache_data(show_spinner=False, max_entries=64)
def _attention_numbers(
    ref: str, key: str, renormalise: bool, folder: str, _model: Any, _images: list[np.ndarray]
) -> tuple[np.ndarray, float, np.ndarray]:
    """Distances (L, H), that of even attention, entropies (L, H); image by image, for the maps are large."""
    from vit_explore.explain.geometry import geometry

    cell, distances, entropies, uniform = geometry(_model.model).patch_size, [], [], 0.0
    for image in _images:
        maps = explain.attention_maps(_model, _model.preprocess(image))
        distances.append(explain.attention_distance(maps, cell, renormalise=renormalise))
        entropies.append(explain.attention_entropy(maps))
        uniform = explain.uniform_attention_distance(maps, cell, renormalise=renormalise)
    return np.mean(distances, axis=0), uniform, np.mean(entropies, axis=0)


@st.cache_data(show_spinner=False, max_entries=256)
def _probabilities(ref: str, key: str, folder: str, _model: Any, _pixels: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return _model.model(_model.preprocess(_pixels))[0].float().softmax(-1).cpu().numpy()


@st.cache_data(show_spinner=False, max_entries=64)
def _heat(
    name: str, ref: str, key: str, target: int | None, layer: str | None, folder: str, _model: Any, _pixels: np.ndarray
) -> np.ndarray:
    if name == "relevance":
        return explain.relevance(_model, _model.preprocess(_pixels), target)[0]
    return explain.grad_cam(_model, _model.preprocess(_pixels), target, layer)[0]


@st.cache_data(show_spinner=False, max_entries=64)
def _grad_cam_layers(ref: str, folder: str, _model: Any) -> list[str]:
    return explain.grad_cam_layers(_model)


def _load(ref: str, folder: str) -> Any:
    """A model that is looked at once: it does not take a place among the opened ones."""
    from pathlib import Path

    from vit_explore.runs.references import load_model

    return load_model(ref, Path(folder))


def _plain(result: Any) -> dict[str, Any]:
    return {field.name: getattr(result, field.name) for field in fields(result)}
