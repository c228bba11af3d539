"""A few images that stand for all classes."""

from __future__ import annotations

import numpy as np
import pytest

from vit_explore.data.spread import spread


@pytest.mark.parametrize(("classes", "count"), [(1, 8), (2, 8), (3, 8), (4, 8), (10, 10), (10, 16), (16, 16)])
def test_every_class_appears_as_often_as_any_other(classes: int, count: int) -> None:
    labels = np.random.default_rng(0).integers(0, classes, 400)
    chosen = spread(labels, count)
    assert len(set(chosen.tolist())) == count
    times = np.bincount(labels[chosen], minlength=classes)
    assert times.max() - times.min() <= 1
    assert labels[chosen][:classes].tolist() == list(range(classes)), "each once before any comes twice"


def test_of_more_classes_than_places_none_comes_twice() -> None:
    labels = np.random.default_rng(0).integers(0, 100, 2000)
    shown = labels[spread(labels, 16)]
    assert len(set(shown.tolist())) == 16
    assert (shown[0], shown[-1]) == (0, 99)
    assert np.ptp(np.diff(shown)) <= 1


def test_the_first_image_of_a_class_stands_for_it() -> None:
    assert spread(np.array([5, 2, 5, 2, 9]), 3).tolist() == [1, 0, 4]


def test_fewer_images_than_places_are_all_shown() -> None:
    assert spread(np.array([3, 3, 1]), 8).tolist() == [2, 0, 1]
    assert spread(np.zeros(0, np.int64), 8).tolist() == []
