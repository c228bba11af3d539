"""Curves as SVG: a line, its axes, and a height to compare with."""

from __future__ import annotations

from html import escape

import numpy as np

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 520, 270, 66, 52, 26  # px; room for letters of 19 px, on a phone
MOST = 400  # points of a line
Points = tuple[np.ndarray, np.ndarray]


def chart(title: str, x_title: str, lines: dict[str, Points], level: tuple[str, float] | None = None,
          is_share: bool = False) -> str:  # fmt: skip
    """An SVG of named lines over one axis; is_share: y runs from 0 to 1 and is written in per cent.

    level: a height with its name, such as that of a guess.
    """
    known = {name: _finite(*points) for name, points in lines.items()}
    known = {name: points for name, points in known.items() if len(points[0])}
    if not known:
        return f"<p>{escape(title)}: nothing was measured.</p>"
    right = max(float(x[-1]) for x, _ in known.values()) or 1.0
    ys = np.concatenate([y for _, y in known.values()])
    low, high = (0.0, 1.0) if is_share else (float(ys.min()), float(ys.max()))
    high = high if high > low else low + 1.0
    body = [_axes(title, x_title, right, low, high, is_share)]
    if level is not None:
        y = _y(np.array([level[1]]), low, high)[0]
        body.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        body.append(f'<text x="{LEFT + 6}" y="{y - 5:.1f}">{escape(level[0])}</text>')
    for number, (x, y) in enumerate(known.values()):
        points = zip(_x(x, right), _y(y, low, high), strict=True)
        body.append(f'<polyline class="line{number}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>')
    said = "; ".join(f"{name} ends at {y[-1]:.3g}" for name, (_, y) in known.items())
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title} against {x_title}: {said}")}">'
        f"{''.join(body)}</svg>"
    )


def _axes(title: str, x_title: str, right: float, low: float, high: float, is_share: bool) -> str:
    parts = [f'<text x="0" y="{TOP - 8}">{escape(title)}</text>']
    for value in _ticks(low, high):
        y = _y(np.array([value]), low, high)[0]
        number = f"{100 * value:.0f} %" if is_share else f"{value:.4g}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="number" x="{LEFT - 6}" y="{y + 4:.1f}">{number}</text>')
    for value in _ticks(0.0, right):
        x = _x(np.array([value]), right)[0]
        anchor = ' style="text-anchor: end"' if x > WIDTH - 24 else ""
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 22}"{anchor}>{value:.4g}</text>')
    parts.append(f'<text class="tick" x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}">{escape(x_title)}</text>')
    return "".join(parts)


def _ticks(low: float, high: float) -> np.ndarray:
    """Four to nine round numbers from `low` to `high`."""
    raw = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return (np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) + 0.0) * step  # no -0


def _finite(x: np.ndarray, y: np.ndarray) -> Points:
    """The points that are numbers, thinned out."""
    is_number = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, float)[is_number], np.asarray(y, float)[is_number]
    each = max(1, -(-len(x) // MOST))
    kept = np.unique(np.append(np.arange(0, len(x), each), len(x) - 1)) if len(x) else np.zeros(0, int)
    return x[kept], y[kept]


def _x(values: np.ndarray, right: float) -> np.ndarray:
    return LEFT + values / right * (WIDTH - 8 - LEFT)


def _y(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return TOP + 8 + (high - values) / (high - low) * (HEIGHT - BOTTOM - TOP - 8)
