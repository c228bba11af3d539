"""The reliability diagram against scikit-learn's bins, and its error by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

import vit_explore as vx
from vit_explore.errors import BadConfig


def drawn(n: int = 4000, sure: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two classes, and labels that come as often as they say; sure: how much too sure they are."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, n)
    labels = (rng.random(n) > p).astype(int)  # class 0 with probability p
    told = np.clip(0.5 + (p - 0.5) * sure, 0, 1)
    return np.stack([told, 1 - told], axis=1), labels


def test_the_bins_are_scikit_learns() -> None:
    probs, labels = drawn()
    found = vx.trust.reliability(probs, labels, bins=10)
    accuracy, confidence = calibration_curve((labels == 0).astype(int), probs[:, 0], n_bins=10)
    known = found.counts > 0
    np.testing.assert_allclose(found.accuracy[known], accuracy)
    np.testing.assert_allclose(found.confidence[known], confidence)
    assert found.counts.sum() == len(labels)


def test_the_error_is_the_mean_gap_and_small_where_it_is_as_sure_as_it_should_be() -> None:
    probs, labels = drawn()
    assert vx.trust.reliability(probs, labels).error < 0.03
    wild, labels = drawn(sure=1.6)
    assert vx.trust.reliability(wild, labels).error > 0.08
    four = vx.trust.reliability([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], [0, 1, 0, 0], bins=10)
    assert four.error == pytest.approx((2 * abs(0.5 - 0.9) + 2 * abs(1.0 - 0.6)) / 4)


def test_it_draws() -> None:
    figure = vx.plots.reliability(vx.trust.reliability(*drawn(200)))
    assert "expected calibration error" in vx.plots.theme.description(figure)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"labels of shape \(3,\)"):
        vx.trust.reliability(np.ones((2, 2)) / 2, [0, 1, 0])
