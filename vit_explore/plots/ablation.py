"""What each head is worth: the accuracy that goes with it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from vit_explore.plots import theme

__all__ = ["head_ablation"]

_LEAST = 0.02  # of accuracy: the end of the colour range at least, so that noise stays pale


def head_ablation(
    lost: np.ndarray, off: tuple[tuple[int, int], ...] = (), height: int | None = None, labelled: bool = True
) -> go.Figure:
    """Accuracy lost (L, H), in [-1, 1], as each head is switched off: layers are columns, heads are rows.

    labelled: false for what was measured without labels, the share of answers that change. Not-a-number is not measured
    yet. off: heads, (layer, head) from 0, that are framed. A click's `customdata` is
    [layer, head].
    """
    layers, heads = lost.shape
    top = max(_LEAST, float(np.nanmax(np.abs(lost), initial=0.0)))
    texts = [[_text(lost[layer, head], (layer, head) in off) for layer in range(layers)] for head in range(heads)]
    places = np.stack(np.meshgrid(np.arange(layers), np.arange(heads)), axis=-1)
    fig = go.Figure(
        go.Heatmap(
            z=100 * np.nan_to_num(lost.T),  # what is not measured has the colour of no loss
            x=[str(i + 1) for i in range(layers)],
            y=[str(i + 1) for i in range(heads)],
            zmin=-100 * top,
            zmax=100 * top,
            text=texts,
            texttemplate="%{text}" if layers * heads <= 72 else None,
            textfont={"size": theme.FONT_SIZE, "color": "rgb(0,0,1)"},
            customdata=places,
            colorscale=theme.colour_scale("signed"),
            colorbar=theme.colour_bar(f"points of {'accuracy lost' if labelled else 'answers that change'} without it"),
            hovertemplate="layer %{x}, head %{y}: %{text}<extra></extra>",
            xgap=2,
            ygap=2,
        )
    )
    for layer, head in off:
        fig.add_shape(
            type="rect", x0=layer - 0.48, x1=layer + 0.48, y0=head - 0.48, y1=head + 0.48,
            line={"color": theme.PINK, "width": 4},
        )  # fmt: skip
    theme.style(fig, height or 130 + 44 * heads)
    fig.update_layout(margin={"t": 70})
    fig.update_xaxes(title_text="layer", type="category", showgrid=False, showline=False)
    fig.update_yaxes(title_text="head", type="category", showgrid=False, autorange="reversed")
    known = ~np.isnan(lost)
    worst = np.unravel_index(np.nanargmax(lost), lost.shape) if known.any() else (0, 0)
    words = (
        f"head {worst[1] + 1} of layer {worst[0] + 1}, {100 * lost[worst]:+.1f} points" if known.any() else "none yet"
    )
    what = "Accuracy lost" if labelled else "Share of answers that change"
    return theme.describe(fig, f"{what} as each of {layers} × {heads} heads is switched off; most by {words}.")


def _text(lost: float, is_off: bool) -> str:
    """What a cell says: the points lost where they are known, else whether the head is on."""
    if np.isnan(lost):
        return "off" if is_off else "on"
    return f"{100 * lost:+.1f}"
