"""Attention that answers at once: the weights lie in the browser, and hovering redraws every head without a request.

The browser's part lies in attention_explorer.js and attention_explorer.css. What crosses over is packed here, by a pure
function: one byte a weight, each row scaled by its own maximum, which is sent along.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from vit_explore.errors import BadConfig
from vit_explore.explain.results import AttentionMaps
from vit_explore.ui.components.declaring import declared

_MAX_BYTES = 8_000_000  # of weights sent at once; a larger model sends the chosen layer only
_IMAGE_SIDE = 448  # the largest that the canvas shows

_mount = declared(__file__, '<div class="explorer"></div>')


@dataclass(frozen=True)
class View:
    """What the explorer shows: a layer, a head (None: the mean of the heads), a patch (None: the class token)."""

    layer: int
    head: int | None = None
    patch: int | None = None


def attention_explorer(
    packed: dict[str, Any],
    image: np.ndarray,
    *,
    key: str,
    view: View | None = None,
    on_change: Callable[[dict[str, int | None]], None] = lambda _: None,
) -> View:
    """Mount the explorer over `image`, uint8 (h, w, 3), and give back what the person looks at.

    view: what it shows, unless the person has moved on and Python has not heard of it. on_change: takes what the person
    chose since, by name; what stayed is no choice, and may be out of date where two explorers move each other.
    """
    start = view or View(packed["layers"] - 1)
    data = {
        **packed,
        "image": _png(image),
        "view": {"layer": start.layer, "head": start.head, "patch": start.patch},
        "heard": _heard(key),
    }
    result = _mount(key=key, data=data, default={"view": None}, on_view_change=lambda: on_change(_chosen(key)))
    return _view(result.get("view"), start)


def needs_layer(maps: AttentionMaps) -> bool:
    """Whether the weights are too many to send at once, so that `pack_attention` wants the layer."""
    _, layers, heads, _, _ = maps.weights.shape
    patches = maps.grid[0] * maps.grid[1]
    return layers * heads * (patches + 1) * patches > _MAX_BYTES


def pack_attention(
    maps: AttentionMaps, index: int = 0, layer: int | None = None, beside: Sequence[AttentionMaps] = ()
) -> dict[str, Any]:
    """The attention of image `index` for the browser: of all layers, or of one.

    Rows are queries: the patches, then one for the class token (without one: the mean of the patches). Columns are the
    patches. `weights` holds bytes (layers sent, H, P + 1, P), `scales` float32 (layers sent, H, P + 1): weight = byte *
    scale / 255, off by half a byte at most. `thumbs` holds the last row of every
    layer and head, and of the mean of its heads: (L, H + 1, P). `tops`, float32 (layers sent, H + 1, P + 1), holds the
    largest weight of each row in these maps and in those `beside` them, of the same shape: one scale for all of them.
    """
    _, layers, heads, _, _ = maps.weights.shape
    if layer is not None and not 0 <= layer < layers:
        raise BadConfig(f"There is no layer {layer}; choose one from 0 to {layers - 1}.")
    first = 0 if layer is None else layer
    count = layers if layer is None else 1
    sent = slice(first, first + count)
    weights, scales = quantise(query_rows(maps, index, sent))
    tops = np.max([row_tops(query_rows(other, index, sent)) for other in (maps, *beside)], axis=0)
    overview = _default_query(maps, index, slice(None))
    thumbs, _ = quantise(np.concatenate([overview, overview.mean(axis=1, keepdims=True)], axis=1))
    return {
        "grid": list(maps.grid),
        "layers": layers,
        "heads": heads,
        "prefix": in_one_phrase(maps.prefix_names),
        "classToken": maps.has_class_token,
        "firstLayer": first,
        "sentLayers": count,
        "weights": _base64(weights),
        "scales": _base64(scales),
        "thumbs": _base64(thumbs),
        "tops": _base64(tops),
    }


def in_one_phrase(names: tuple[str, ...]) -> str:
    """The tokens in front of the patches: "the class token and the 4 registers"; nothing where there are none."""
    registers = [name for name in names if name.startswith("register")]
    parts = [f"the {name}" for name in names if name not in registers]
    if registers:
        parts.append("the register" if len(registers) == 1 else f"the {len(registers)} registers")
    return " and ".join(parts)


def query_rows(maps: AttentionMaps, index: int, layers: slice) -> np.ndarray:
    """(layers, H, P + 1, P): what each patch, and last the class token or the mean patch, sends to the patches."""
    n = maps.n_prefix
    patches = maps.weights[index, layers, :, n:, n:]
    return np.concatenate([patches, _default_query(maps, index, layers)[:, :, None]], axis=2)


def row_tops(rows: np.ndarray) -> np.ndarray:
    """float32 (layers, H + 1, P + 1): the largest weight of each row (layers, H, P + 1, P), and of the heads' mean."""
    return np.concatenate([rows, rows.mean(axis=1, keepdims=True)], axis=1).max(axis=-1).astype(np.float32)


def quantise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 of the same shape and float32 scales (the last axis' maximum): rows ~ bytes * scale / 255."""
    scales = rows.max(axis=-1).astype(np.float32)
    safe = np.where(scales > 0, scales, 1.0)[..., None]
    return np.rint(np.clip(rows / safe, 0, 1) * 255).astype(np.uint8), scales


def _default_query(maps: AttentionMaps, index: int, layers: slice) -> np.ndarray:
    weights, n = maps.weights[index, layers], maps.n_prefix
    return weights[:, :, 0, n:] if maps.has_class_token else weights[:, :, n:, n:].mean(axis=2)


def _told(key: str) -> dict[str, Any]:
    """What the browser said of the explorer with this key last; nothing before that."""
    state = st.session_state.get(key)
    view = state.get("view") if state else None
    return view if isinstance(view, dict) else {}


def _heard(key: str) -> float:
    """When the browser sent the latest choice that has come here, in its own milliseconds; 0 before the first."""
    sent = _told(key).get("sent")
    return sent if isinstance(sent, int | float) else 0


def _chosen(key: str) -> dict[str, int | None]:
    """The parts of the view that the person chose and Python had not said."""
    told = _told(key)
    parts = told.get("chosen")
    view = _view(told, View(0))
    return {name: value for name, value in asdict(view).items() if isinstance(parts, list) and name in parts}


def _view(state: Any, default: View) -> View:
    """The browser's state as a View: it comes from outside, so anything odd is the default."""
    if not isinstance(state, dict) or not isinstance(state.get("layer"), int):
        return default
    head, patch = state.get("head"), state.get("patch")
    return View(state["layer"], head if isinstance(head, int) else None, patch if isinstance(patch, int) else None)


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def _png(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((_IMAGE_SIDE, _IMAGE_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)  # drawn anew at each click; the network is the room's
    return base64.b64encode(buffer.getvalue()).decode()
