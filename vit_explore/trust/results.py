"""What a ranking of explanations gives: NumPy arrays alone, so that plots can import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Ranking", "Reliability", "Score", "mean_interval"]

CONFIDENCE = 0.95
NEVER_LESS = 8  # images, for an interval that means something


@dataclass(frozen=True)
class Reliability:
    """Accuracy against confidence. edges: (k + 1,) of the bins; confidence, accuracy: their means (k,); counts: (k,)
    images; error: the expected calibration error, in [0, 1]."""

    edges: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    counts: np.ndarray
    error: float


@dataclass(frozen=True)
class Score:
    """What one method comes to, over n images.

    deletion, insertion: areas under the curves (n,); deletion_curve, insertion_curve: means over the images (s,).
    chance: the random map as fine as this one, and beside_chance how much further apart the areas are than its own
    (n,). first: its map of the first image. on_object: share of the map's mass on the object (n,), and pointing:
    whether its maximum lies there (n,); None without masks. likeness: rank correlation with the same map of a model
    whose weights are shuffled (m,).
    """

    method: str
    title: str
    is_chance: bool
    chance: str
    seconds: float  # of an image's map
    deletion: np.ndarray
    insertion: np.ndarray
    deletion_curve: np.ndarray
    insertion_curve: np.ndarray
    beside_chance: np.ndarray
    likeness: np.ndarray
    first: np.ndarray
    on_object: np.ndarray | None = None
    pointing: np.ndarray | None = None

    @property
    def apart(self) -> float:
        """Insertion minus deletion, the mean over the images: the higher, the better."""
        return float((self.insertion - self.deletion).mean())

    @property
    def gain(self) -> float:
        """How much better than chance, the mean over the images."""
        return float(self.beside_chance.mean())

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `gain` (Student's t over the images); infinite for fewer than two."""
        return mean_interval(self.beside_chance)

    @property
    def verdict(self) -> str:
        """better, worse or level, than chance."""
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "level"


@dataclass(frozen=True)
class Ranking:
    """Methods by what their curves say, the best first; those of chance among them."""

    scores: tuple[Score, ...]
    fractions: np.ndarray  # (s,) of the pixels changed
    images: int
    explained: str  # "predicted" or "label": the class that was explained
    accuracy: float | None  # of the model on these images; None without labels
    object_share: float | None  # of the area that the object covers, on average: what chance's mass comes to
    sanity_images: int
    precision: str  # fp32 or bf16, of the passes behind the curves

    def score(self, method: str) -> Score:
        """The row of a method."""
        return next(score for score in self.scores if score.method == method)

    @property
    def sentence(self) -> str:
        """What it comes to."""
        return sentence(self.scores, self.images)


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean by Student's t."""
    if len(values) < 2:
        return -np.inf, np.inf
    from scipy.special import stdtrit  # not at once: a page that loads it while torch is being loaded would fail

    spread = float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * spread
    return float(values.mean()) - reach, float(values.mean()) + reach


def sentence(scores: Sequence[Score], images: int) -> str:
    """Who beats chance, who loses to it, and whether chance wins."""
    real = [score for score in scores if not score.is_chance]
    better, worse = ([s.title for s in real if s.verdict == kind] for kind in ("better", "worse"))
    over = f"over {images} images"
    if images < NEVER_LESS:
        return f"{images} image{'s' if images > 1 else ''} can tell no method from chance; ask over more."
    losers = f" Worse than chance: {_listed(worse)}." if worse else ""
    if not better:
        return f"Random wins: {over} no method is clearly better than a random map.{losers}"
    level = len(real) - len(better) - len(worse)
    undecided = f" {level} cannot be told from it." if level else ""
    count = f"{len(better)} of {len(real)} methods"
    return f"Best {over}: {better[0]}. Clearly better than chance: {count}.{losers}{undecided}"


def _listed(titles: Sequence[str]) -> str:
    return ", ".join(titles)
