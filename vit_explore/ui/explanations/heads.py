"""Heads: point at a patch and see where each head looks."""

from __future__ import annotations

from vit_explore.explain.results import AttentionMaps
from vit_explore.ui.components.attention_explorer import (
    View,
    attention_explorer,
    needs_layer,
    pack_attention,
)
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.chart import Side
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.tab import Tab
from vit_explore.ui.session import address


def _controls(_: str) -> None:
    """The explorer has its controls in itself."""


def _draw(side: Side, picture: Picture, _: None) -> None:
    maps = looking.attention(side.ref, picture)
    beside = [looking.attention(ref, picture) for ref in side.all if ref != side.ref]
    view = _addressed(maps)
    packed = pack_attention(maps, layer=view.layer if needs_layer(maps) else None, beside=beside)
    # one for a model before training and one for it now: it keeps its place in the page while a person slides
    key = f"explorer_{side.ref.partition('@')[0]}_{'start' if side.step == 0 else 'now'}"
    under = looking.under_maps(side.ref, picture)
    attention_explorer(packed, under, key=key, view=view, on_change=lambda chosen: address.choose(**chosen))


def _addressed(maps: AttentionMaps) -> View:
    """What the address says, within this model's layers, heads and patches; at first the last layer."""
    _, layers, heads, _, _ = maps.weights.shape
    layer = address.below("layer", layers)
    patch = address.below("patch", maps.grid[0] * maps.grid[1])
    return View(layers - 1 if layer is None else layer, address.below("head", heads), patch)


TAB = Tab(
    title="Heads",
    order=0,
    about="Point at a patch to see where it looks; click to hold it. Choose any layer and head.",
    explanations=("attention_maps",),
    controls=_controls,
    draw=_draw,
)
