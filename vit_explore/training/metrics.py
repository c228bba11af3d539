"""Numbers of a classifier, from its confusion matrix (rows are the truth)."""

from __future__ import annotations

import numpy as np


def order_of_test(n: int) -> np.ndarray:
    """(n,) int64: the order in which n test images are looked at, random and always the same.

    A test that is bounded in time is one on the first of them: a prediction there is that of the image at its place.
    """
    return np.random.default_rng(0).permutation(n)


def side_by_side(one: np.ndarray, other: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The images (of n) that two tests have both seen, and what each said of them: (k,) each, int64.

    A test of all images gives them in their own order, one of a part in `order_of_test`.
    """
    if len(one) == len(other) == n:
        return np.arange(n), one, other
    seen = order_of_test(n)[: min(len(one), len(other))]
    first, second = (said[seen] if len(said) == n else said[: len(seen)] for said in (one, other))
    return seen, first, second


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """(C, C) int64: how many images of class r were called c."""
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def most_confused(confusion: np.ndarray) -> tuple[int, int] | None:
    """The two classes that are taken for each other most often, either way round; None where none ever is."""
    both = np.triu(confusion + confusion.T, k=1)
    if not both.any():
        return None
    one, other = divmod(int(both.argmax()), len(both))
    return one, other


def recall(confusion: np.ndarray) -> np.ndarray:
    """(C,) float32: the share of each class that was recognised; NaN for a class without images."""
    total = confusion.sum(1)
    return np.where(total > 0, confusion.diagonal() / np.maximum(total, 1), np.nan).astype(np.float32)


def f1_of(confusion: np.ndarray) -> np.ndarray:
    """(C,) float64: 2 TP / (2 TP + FP + FN) of each class; NaN for one that is neither present nor predicted."""
    total = confusion.sum(0) + confusion.sum(1)
    return np.where(total > 0, 2 * confusion.diagonal() / np.maximum(total, 1), np.nan)


def macro_f1(confusion: np.ndarray) -> float:
    """Mean F1 over the classes; a class neither present nor predicted is left out."""
    f1 = f1_of(confusion)
    return float(f1[~np.isnan(f1)].mean())
