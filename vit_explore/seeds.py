"""A number over the seeds of one thing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Its values, at least one, in the order of the runs."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


def spread(values: Iterable[float | None]) -> Spread | None:
    """Of the numbers that are there; None where there are none."""
    known = tuple(float(value) for value in values if value is not None)
    return Spread(known) if known else None
