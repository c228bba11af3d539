"""Do two layers, or two models, represent the same images alike?"""

from __future__ import annotations

from typing import Any

import numpy as np

from vit_explore.errors import BadConfig
from vit_explore.explain.catalogue import Explanation

__all__ = ["MinibatchCKA", "cka"]

CARD = Explanation(
    name="cka",
    title="Similarity of representations (CKA)",
    needs="any",
    cost="one forward pass of each picture, by you",
    gives="",
    source="Kornblith et al. 2019; Nguyen, Raghu & Kornblith 2021 (debiased)",
    formula=(
        r"\mathrm{CKA}(X, Y) = \frac{\mathrm{HSIC}(K, M)}{\sqrt{\mathrm{HSIC}(K, K)\,\mathrm{HSIC}(M, M)}}, "
        r"\qquad K = XX^{\top}, \; M = YY^{\top}"
    ),
    what_you_see="How alike two layers arrange the same images: 1 is equal up to rotation and scale, 0 unrelated.",
    what_to_look_for="A ViT's layers resemble each other throughout; a ResNet's fall into early and late ones.",
    what_to_beware=(
        "The same images in the same order, at least 256 of them. Without debiasing, few images and many "
        "features make anything look alike. Alike does not mean that the same features are used."
    ),
    example=(
        "many = images[:1] * torch.rand(256, 1, 1, 1)  # one picture, brighter and darker\n"
        "result = vx.explain.cka(model.model(many), model.model(many.flip(-1)))"
    ),
    figure='vx.plots.cka([[result]], ["pictures"], ["mirror images"])',
)


def cka(x: Any, y: Any, debiased: bool = True) -> float:
    """Linear centred kernel alignment of features (n, p) and (n, q) of the same n images, in the same order.

    Kornblith et al. 2019; debiased: with the unbiased HSIC of Nguyen et al. 2021, which may fall a little below 0. NaN
    where a side does not vary over the images. Use at least 256 images. Raises BadConfig.
    """
    meter = MinibatchCKA(debiased)
    meter.update(x, y)
    return meter.value()


class MinibatchCKA:
    """CKA over batches: the HSIC terms are averaged over batches before the ratio (Nguyen et al. 2021, eq. 2).

    Each term is an estimate for its batch, whatever its size, and counts by its number of images.
    """

    def __init__(self, debiased: bool = True) -> None:
        self._hsic = _unbiased_hsic if debiased else _biased_hsic
        self._terms: list[tuple[float, float, float]] = []
        self._sizes: list[int] = []

    def update(self, x: Any, y: Any) -> None:
        """Add one batch of features, (n, p) and (n, q), n >= 4."""
        a, b = _features(x, "x"), _features(y, "y")
        if len(a) != len(b):
            raise BadConfig(f"x has {len(a)} rows and y has {len(b)}; give the same images in the same order.")
        k, m = a @ a.T, b @ b.T
        self._terms.append((self._hsic(k, m), self._hsic(k, k), self._hsic(m, m)))
        self._sizes.append(len(a))

    def value(self) -> float:
        """The CKA of all batches so far."""
        if not self._terms:
            raise BadConfig("No batch was given yet; call update with the features of at least four images.")
        cross, own_x, own_y = np.average(self._terms, axis=0, weights=self._sizes)
        return float(cross / np.sqrt(own_x * own_y)) if own_x > 0 and own_y > 0 else float("nan")


def _features(values: Any, name: str) -> np.ndarray:
    """Centred float64 features (n, p); exactly 0 where what varies is only rounding noise."""
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else values
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 4:
        raise BadConfig(f"{name} has shape {rows.shape}; CKA needs features (n, p) of at least four images.")
    if not np.isfinite(rows).all():
        raise BadConfig(f"{name} holds values that are not finite; check the features first.")
    centred = rows - rows.mean(axis=0)  # neither estimator depends on it, but the precision does
    return centred if np.linalg.norm(centred) > 1e-6 * np.linalg.norm(rows) else np.zeros_like(rows)


def _biased_hsic(k: np.ndarray, m: np.ndarray) -> float:
    """HSIC of two Gram matrices of centred features (Gretton et al. 2005, eq. 9)."""
    return float((k * m).sum() / (len(k) - 1) ** 2)


def _unbiased_hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, eq. 5: the diagonals are left out."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    total = (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(axis=0) @ m.sum(axis=0))
    return float(total / (n * (n - 3)))
