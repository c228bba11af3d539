"""Who won a race, in a sentence, with what chance alone would do.

Two sources of chance: another seed gives another model, and other test images another score for the same model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vit_explore.ui.kit import wording

# Standard deviation, over seeds, of the test top-1 of a run of a minute: 0.2 to 0.6 points in README's table.
SEED_NOISE = 0.005
_Z = 1.96  # 95 % of a normal distribution
_T = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}  # 95 % of Student's t, by its freedom


@dataclass(frozen=True)
class Score:
    """What one side reached: the test top-1 of each seed, and the answers (n,) of the shown run to the test images."""

    title: str
    top1: tuple[float, ...]
    predictions: np.ndarray

    @property
    def mean(self) -> float:
        return float(np.mean(self.top1))

    @property
    def said(self) -> str:
        """The score, with the lowest and the highest of several seeds."""
        if len(self.top1) == 1:
            return wording.percent(self.mean)
        low, high = (wording.percent(value) for value in (min(self.top1), max(self.top1)))
        return f"{wording.percent(self.mean)} ({low} to {high})"


@dataclass(frozen=True)
class Verdict:
    """The difference of two scores, and how large one of pure chance may be (95 %); both are shares, not points."""

    winner: Score
    loser: Score
    noise: float

    @property
    def difference(self) -> float:
        return self.winner.mean - self.loser.mean

    @property
    def is_decided(self) -> bool:
        return self.difference > self.noise

    @property
    def headline(self) -> str:
        """Who won; the titles are not escaped."""
        if self.is_decided:
            return f"{self.winner.title} wins by {_points(self.difference)}"
        return f"Too close to call: {self.winner.title} is {_points(self.difference)} ahead"

    @property
    def evidence(self) -> str:
        """The scores, and what chance alone would do."""
        sizes = sorted({len(score.predictions) for score in (self.winner, self.loser)})
        images = f"{' and '.join(f'{size:,}' for size in sizes)} test images"
        so = ": this is more than luck" if self.is_decided else ""
        return f"{self.winner.said} against {self.loser.said} on {images}. {self._chance}{so}."

    @property
    def _chance(self) -> str:
        if _freedom(self.winner, self.loser):
            return f"By the spread of these seeds, up to {_points(self.noise)} could be chance"
        sides = "each" if len(self.winner.top1) == len(self.loser.top1) else "on one side"
        return (
            f"With one seed {sides}, up to {_points(self.noise)} could be chance "
            f"(another seed alone moves a score by about {_points(SEED_NOISE)})"
        )


def judge(one: Score, other: Score) -> Verdict:
    """The verdict on two scores of the same test images."""
    winner, loser = (one, other) if one.mean >= other.mean else (other, one)
    return Verdict(winner, loser, math.hypot(_seed_noise(one, other), _Z * _test_error(one, other)))


def _seed_noise(one: Score, other: Score) -> float:
    """Half of the 95 % interval of the difference, over seeds: measured, or from SEED_NOISE with one seed each."""
    freedom = _freedom(one, other)
    if not freedom:
        return _Z * math.hypot(SEED_NOISE, SEED_NOISE)
    squares = sum(float(np.var(score.top1)) * len(score.top1) for score in (one, other))
    pooled = squares / freedom
    return _T.get(freedom, _T[max(_T)]) * math.sqrt(pooled * (1 / len(one.top1) + 1 / len(other.top1)))


def _freedom(one: Score, other: Score) -> int:
    """Degrees of freedom of the spread over seeds; 0 where either side has one seed, too few to say."""
    fewest = min(len(one.top1), len(other.top1))
    return 0 if fewest < 2 else len(one.top1) + len(other.top1) - 2


def _test_error(one: Score, other: Score) -> float:
    """Standard error of the difference that comes from the choice of test images.

    Where both took the same test, only images with two different answers count (McNemar 1947); all of these are taken
    to be right in one of the two, which can only make it larger.
    """
    sizes = [len(score.predictions) for score in (one, other)]
    if sizes[0] != sizes[1]:  # one of the tests was cut short
        parts = zip((one.mean, other.mean), sizes, strict=True)
        return math.sqrt(sum(p * (1 - p) / max(n, 1) for p, n in parts))
    return math.sqrt(float(np.sum(one.predictions != other.predictions))) / max(sizes[0], 1)


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"
