"""Does the model know this kind of picture at all? Three signs that it does not, held against validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vit_explore.errors import BadConfig
from vit_explore.explain.capture import features_pass
from vit_explore.explain.inputs import check_alone, module_of, ready_images, ready_labels

__all__ = ["Meter", "Strangeness", "auroc", "features_of", "meter_of", "nearest"]

SIGNS = {
    "softmax": "the largest softmax probability (Hendrycks & Gimpel 2017)",
    "energy": "the energy, minus the log of the summed exponentials of the logits (Liu et al. 2020)",
    "distance": "the distance of its features to the nearest class mean (Lee et al. 2018)",
}
WARN = 0.95  # of the validation images are less strange than what is warned of
BATCH, PIXELS = 256, 2**21  # images, and pixels of a batch
LEAST = 32  # images to be held against


@dataclass(frozen=True)
class Strangeness:
    """signs: by name, (n,), the higher, the stranger; ranks: by name, the share of validation images that are less
    strange, (n,) in [0, 1]; together: the mean of the ranks, as a rank itself (n,)."""

    signs: dict[str, np.ndarray]
    ranks: dict[str, np.ndarray]
    together: np.ndarray

    @property
    def is_strange(self) -> np.ndarray:
        """Which pictures to warn of, (n,) bool: stranger than 95 % of the validation images."""
        return self.together > WARN


@dataclass(frozen=True)
class Meter:
    """What a model's validation images are like. means: (C, D) of the standardised features of each class; centre,
    spread: (D,); known: the signs of the validation images, sorted; together: their mean ranks, sorted."""

    means: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    known: dict[str, np.ndarray]
    together: np.ndarray

    def of(self, logits: np.ndarray, features: np.ndarray) -> Strangeness:
        """How strange pictures are, by their logits (n, C) and features (n, D)."""
        signs = self.signs(logits, features)
        ranks = {name: _rank(values, self.known[name]) for name, values in signs.items()}
        return Strangeness(signs, ranks, _rank(np.mean(list(ranks.values()), axis=0), self.together))

    def signs(self, logits: np.ndarray, features: np.ndarray) -> dict[str, np.ndarray]:
        """The three signs, (n,) each."""
        top = logits.max(axis=1, keepdims=True)
        total = np.exp(logits - top).sum(axis=1)
        scaled = (features - self.centre) / self.spread
        away = np.linalg.norm(scaled[:, None] - self.means[None], axis=2).min(axis=1) / np.sqrt(features.shape[1])
        return {"softmax": 1 - 1 / total, "energy": -(top[:, 0] + np.log(total)), "distance": away}


def meter_of(model: Any, images: Tensor, labels: Any) -> Meter:
    """A meter that knows a model's own validation images, normalised (n, 3, h, w), and their classes (n,).

    The class means are of one half of them, the ranks of the other: a mean is near what it was made of. Raises
    BadConfig for fewer than 64, NotApplicable.
    """
    if len(images) < 2 * LEAST:
        raise BadConfig(f"{len(images)} images are too few to know what is usual; give {2 * LEAST} at least.")
    logits, features = features_of(model, images)
    truth = ready_labels(labels, len(images)).numpy()
    half = len(images) // 2
    centre, spread = features[:half].mean(axis=0), features[:half].std(axis=0)
    spread = spread + 0.1 * spread.mean() + 1e-12  # a feature that hardly moves must not outweigh all others
    scaled = (features[:half] - centre) / spread
    classes = [c for c in range(logits.shape[1]) if (truth[:half] == c).any()]
    means = np.stack([scaled[truth[:half] == c].mean(axis=0) for c in classes])
    bare = Meter(means, centre, spread, {}, np.zeros(0))
    signs = bare.signs(logits[half:], features[half:])
    known = {name: np.sort(values) for name, values in signs.items()}
    together = np.mean([_rank(values, known[name]) for name, values in signs.items()], axis=0)
    return Meter(means, centre, spread, known, np.sort(together))


def features_of(model: Any, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, C) and features (n, D) of normalised images. Raises NotApplicable."""
    net = module_of(model)
    images = ready_images(net, images)
    if len(images) > 1:
        check_alone(net)
    size = max(16, min(BATCH, PIXELS // (images.shape[2] * images.shape[3])))
    with torch.no_grad():
        parts = [features_pass(net, part) for part in images.split(size)]
    logits, features = (torch.cat(list(one)).float().cpu().numpy() for one in zip(*parts, strict=True))
    return logits, features


def nearest(feature: np.ndarray, features: np.ndarray, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Which of the features (n, D) are nearest to one (D,) by their cosine: places (count,), cosines (count,)."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    cosines = unit @ (feature / max(float(np.linalg.norm(feature)), 1e-12))
    places = np.argsort(-cosines, kind="stable")[:count]
    return places, cosines[places]


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """The chance that an outsider is stranger than an insider: the area under the ROC curve, ties by half."""
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, side="left") + np.searchsorted(ordered, outside, side="right")
    return float(below.mean() / (2 * len(inside)))


def _rank(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The share of `known`, sorted, that lies below each value, ties by half."""
    below = np.searchsorted(known, values, side="left") + np.searchsorted(known, values, side="right")
    return below / (2 * len(known))
