"""What a lab is, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vit_explore.registry import Registry
from vit_explore.sweeps.results import Result
from vit_explore.told import Progress


@dataclass(frozen=True)
class Line:
    """How a model does as its pictures are changed, over n images; or how one does that learned from so many images.

    levels: (k,) of the change, the first one of which is none; accuracy: (k,) in [0, 1]; low, high: the ends of its
    95 % interval (Wilson 1927), or the lowest and the highest seed; same: (k,) share of answers that are those of the
    unchanged pictures; chance: of guessing; moved: (k,) the largest change of any logit of any image; other: (k,) share
    of answers that are the class of another picture, parts of which were put into this one, where a lab does that.
    """

    ref: str
    levels: tuple[float, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    same: tuple[float, ...]
    chance: float
    images: int
    moved: tuple[float, ...] = ()
    other: tuple[float, ...] = ()

    @property
    def kept(self) -> float:
        """The share of what it knows beyond chance that is left, the mean of all changes; NaN where it knew nothing."""
        known, changed = self.accuracy[0] - self.chance, self.accuracy[1:]
        return sum(a - self.chance for a in changed) / len(changed) / known if known > 0 else float("nan")


@dataclass(frozen=True)
class LabResult:
    """The end of a lab. verdict: one sentence; findings: what it rests on; results: its runs.

    lines: of its models; pictures: the first one at each level, uint8 (h, w, 3), as the first model sees it.
    """

    name: str
    question: str
    verdict: str
    findings: tuple[str, ...]
    results: tuple[Result, ...] = ()
    lines: tuple[Line, ...] = ()
    pictures: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Lab:
    """A lab by its name. run: (refs, images, **options) to progress and, last, the result.

    Of a lab that changes the pictures of models, axis: the title of its levels; expected: what was to be expected, and
    why. Those of one that trains its own runs are empty. needs: masks, where it has to know where the object is;
    records, where it asks runs of a sweep, and no models: its levels are sizes of their training sets then.
    """

    name: str
    title: str
    question: str
    run: Callable[..., Iterator[Progress | LabResult]]
    axis: str = ""
    levels: tuple[float, ...] = ()
    expected: str = ""
    order: int = 0  # its place on the page, the lowest first
    needs: Literal["", "masks", "records"] = ""


labs: Registry[Lab] = Registry("lab", package="vit_explore.labs")
