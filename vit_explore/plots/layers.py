"""All layers of one model against all of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from vit_explore.plots import theme
from vit_explore.plots.compare import cka

__all__ = ["cka_matrix"]

_TICKS = 9  # names on an axis, at most


def cka_matrix(
    matrix: np.ndarray,
    layers: Sequence[str],
    others: Sequence[str],
    title: str = "",
    other_title: str = "",
    height: int = 460,
) -> go.Figure:
    """CKA (len(layers), len(others)): the layers of one model upwards, those of the other to the right, first to last.

    layers, others: dotted names, shown where a pointer is; the axes count from 1.
    """
    fig = cka(matrix, [str(i + 1) for i in range(len(others))], [str(i + 1) for i in range(len(layers))])
    names = [[f"{one} and {other}" for other in others] for one in layers]
    fig.update_traces(customdata=names, hovertemplate="%{customdata}<br>CKA %{z:.2f}<extra></extra>")
    fig.update_layout(height=height)
    fig.update_xaxes(title_text=theme.plain(other_title or "layer"), nticks=_TICKS)
    fig.update_yaxes(title_text=theme.plain(title or "layer"), nticks=_TICKS)
    alike = f"{np.nanmin(matrix):.2f} to {np.nanmax(matrix):.2f}"
    return theme.describe(fig, f"How alike {len(layers)} layers are to {len(others)} others: CKA, {alike}.")
