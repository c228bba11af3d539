"""A noisy curve as a straight line, and what is left of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trend:
    """A least-squares line through (x, y), with its standard errors."""

    mean: float
    mean_error: float
    fall: float  # from the first x to the last; negative where it rises
    fall_error: float
    spread: float  # standard deviation of what the line leaves


def trend(x: np.ndarray, y: np.ndarray) -> Trend:
    """The line through at least three points at two places or more."""
    n, at = len(x), x - x.mean()
    slope = float(at @ y / (at @ at))
    left = y - y.mean() - slope * at
    spread = float(np.sqrt(left @ left / (n - 2)))
    width = float(x[-1] - x[0])
    return Trend(float(y.mean()), spread / n**0.5, -slope * width, spread / float(at @ at) ** 0.5 * width, spread)


def blocks(y: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of `count` equal stretches of y, and their standard errors: (count,) each."""
    parts = np.array_split(y, count)
    means = np.array([part.mean() for part in parts])
    return means, np.array([part.std(ddof=1) / len(part) ** 0.5 for part in parts])
