"""Which explanation to believe: how much better than chance each method is, and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from vit_explore.plots import theme
from vit_explore.plots.attributions import deletion_insertion_axes
from vit_explore.plots.heat import blended
from vit_explore.trust.results import Ranking, Score

__all__ = ["trust_curves", "trust_map", "trust_ranking"]

_VERDICT = {"better": theme.GREEN, "level": theme.GREY, "worse": theme.RESNET}
_ROW = 34  # pixels of a method


def trust_ranking(rankings: Sequence[tuple[str, Ranking]], height: int | None = None) -> go.Figure:
    """How far each method's curves lie further apart than chance's, with 95 % intervals: one panel for each model.

    rankings: (name of the model, its ranking). Methods come in the order of the first.
    """
    order = [score.title for score in rankings[0][1].scores if not score.is_chance]
    order += [s.title for _, r in rankings[1:] for s in r.scores if not s.is_chance and s.title not in order]
    fig = go.Figure()
    fig.set_subplots(1, len(rankings), shared_yaxes=True, horizontal_spacing=0.04)
    for column, (_, ranking) in enumerate(rankings, start=1):
        for score in ranking.scores:
            if not score.is_chance:
                fig.add_trace(_interval(score), row=1, col=column)
        fig.add_vline(x=0, line={"color": theme.GREY, "dash": "dash", "width": 2}, row=1, col=column)
    theme.style(fig, height or 90 + _ROW * len(order))
    for column, (name, _) in enumerate(rankings, start=1):
        title = f"{theme.plain(name)}: better than chance by" if len(rankings) > 1 else "better than chance by"
        fig.update_xaxes(title_text=title, showgrid=True, gridcolor=theme.RULE, tickformat="+.2f", col=column)
    fig.update_yaxes(categoryorder="array", categoryarray=order[::-1], showgrid=False)
    return theme.describe(fig, " ".join(f"{theme.plain(name)}: {ranking.sentence}" for name, ranking in rankings))


def _interval(score: Score) -> go.Scatter:
    low, high = (float(np.clip(end, -1, 1)) for end in score.interval)
    hover = f"{score.title}<br>{score.gain:+.3f} ({low:+.3f} to {high:+.3f})<br>{score.verdict} than chance"
    return go.Scatter(
        x=[score.gain],
        y=[score.title],
        name=score.title,
        error_x={"type": "data", "array": [high - score.gain], "arrayminus": [score.gain - low], "thickness": 3},
        mode="markers",
        marker={"size": 12, "color": _VERDICT[score.verdict]},
        hovertemplate=hover.replace("level than", "level with") + "<extra></extra>",
        showlegend=False,
    )


def trust_map(heat: np.ndarray, image: np.ndarray, side: int) -> np.ndarray:
    """A map over the picture as pixels (h, w, 3), coloured by rank, 0 to 1: so that all maps have one scale."""
    flat = heat.ravel()
    below = np.searchsorted(np.sort(flat), flat, side="left") + np.searchsorted(np.sort(flat), flat, side="right")
    ranks = (below / (2 * flat.size)).reshape(heat.shape)  # equal values have one rank: a flat map is grey
    return blended(ranks, image, side, top=1.0)


def trust_curves(ranking: Ranking, methods: Sequence[str] | None = None, height: int = 440) -> go.Figure:
    """Mean deletion (left) and insertion (right) curves; chance is grey, with crosses. methods: names, None for all."""
    fig = go.Figure()
    fig.set_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.06)
    shown = [score for score in ranking.scores if methods is None or score.method in methods or score.is_chance]
    for i, score in enumerate(sorted(shown, key=lambda score: score.is_chance)):
        look = theme.line_of(i)
        if score.is_chance:
            look = replace(theme.CHANCE, dash="dot" if "pixels" in score.method else "dash")
        for column, curve, areas in (
            (1, score.deletion_curve, score.deletion),
            (2, score.insertion_curve, score.insertion),
        ):
            fig.add_trace(_curve(score.title, ranking.fractions, curve, float(areas.mean()), look), 1, column)
            fig.data[-1].showlegend = column == 1
    deletion_insertion_axes(fig, height)
    words = "; ".join(f"{s.title} {s.deletion.mean():.2f} and {s.insertion.mean():.2f}" for s in shown)
    return theme.describe(fig, f"Probability as pixels are deleted and inserted. Areas under the two curves: {words}.")


def _curve(name: str, x: np.ndarray, y: np.ndarray, area: float, look: theme.Line) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        name=name,
        legendgroup=name,
        line={"color": look.colour, "width": 2.5, "dash": look.dash},
        marker={"size": 8, "symbol": look.symbol, **theme.sparse_marks(len(x))},
        hovertemplate=f"{name}<br>%{{x:.0%}}: probability %{{y:.1%}}<br>area {area:.3f}<extra></extra>",
    )
