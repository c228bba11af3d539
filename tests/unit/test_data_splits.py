"""The arithmetic of splits, on a pool where every image carries its own number."""

from __future__ import annotations

import numpy as np
import pytest

from vit_explore.config import DataConfig
from vit_explore.data.base import Pool, Split
from vit_explore.data.loading import check_memory, pixel_statistics
from vit_explore.data.splits import make_splits, validation_size
from vit_explore.errors import BadConfig, BadData

CLASSES = ("a", "b", "c")


def numbered(labels: np.ndarray, start: int = 0) -> Split:
    images = np.zeros((len(labels), 3, 8, 8), np.uint8)
    images.reshape(len(labels), -1)[:, :4] = (
        np.arange(start, start + len(labels), dtype="<u4").view(np.uint8).reshape(-1, 4)
    )
    return Split(images, labels.astype(np.int64))


def numbers(split: Split) -> np.ndarray:
    return np.ascontiguousarray(split.images.reshape(len(split), -1)[:, :4]).view("<u4").ravel()


@pytest.fixture
def pool() -> Pool:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], 100))
    return Pool(CLASSES, numbered(labels), numbered(np.arange(30) % 3, start=1000))


def test_fractions_are_kept_per_class(pool: Pool) -> None:
    _, train, val, test = make_splits(pool, DataConfig(val_fraction=0.2))
    assert np.bincount(train.labels).tolist() == [80] * 3
    assert np.bincount(val.labels).tolist() == [20] * 3
    assert numbers(test).tolist() == list(range(1000, 1030))  # whole, and in the source's order


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.33, 0.5, 0.89])
def test_every_training_image_is_used_once(pool: Pool, fraction: float) -> None:
    _, train, val, _ = make_splits(pool, DataConfig(val_fraction=fraction))
    together = np.concatenate([numbers(train), numbers(val)])
    assert sorted(together) == list(range(300))


def test_labels_follow_their_images(pool: Pool) -> None:
    classes, train, val, test = make_splits(pool, DataConfig(classes=("c", "a"), per_class=10))
    assert classes == ("c", "a")
    for split, truth, start in ((train, pool.train, 0), (val, pool.train, 0), (test, pool.test, 1000)):
        original = truth.labels[numbers(split).astype(int) - start]
        assert original.tolist() == [{0: 2, 1: 0}[label] for label in split.labels.tolist()]


def test_an_image_never_changes_sides(pool: Pool) -> None:
    """Neither the choice of classes nor the amount moves an image from training to validation."""
    _, train, val, _ = make_splits(pool, DataConfig(seed=3))
    for config in (DataConfig(seed=3, classes=("b", "a")), DataConfig(seed=3, per_class=11)):
        _, less_train, less_val, _ = make_splits(pool, config)
        assert set(numbers(less_train)) < set(numbers(train))
        assert set(numbers(less_val)) < set(numbers(val))


def test_per_class_reduces_validation_in_proportion(pool: Pool) -> None:
    _, train, val, test = make_splits(pool, DataConfig(per_class=20, val_fraction=0.2))
    assert (len(train), len(val), len(test)) == (60, 15, 30)
    assert len(make_splits(pool, DataConfig(per_class=2, val_fraction=0.1))[2]) == 3  # one at least


def test_all_of_a_class_can_be_asked_for_and_no_more(pool: Pool) -> None:
    assert len(make_splits(pool, DataConfig(per_class=80))[1]) == 240
    with pytest.raises(BadConfig, match=r"81 images per class .* at most 80"):
        make_splits(pool, DataConfig(per_class=81))


def test_a_source_with_its_own_validation() -> None:
    pool = Pool(CLASSES, numbered(np.arange(30) % 3), None, numbered(np.arange(9) % 3, start=500))
    _, train, val, test = make_splits(pool, DataConfig(dataset="folder", path="x"))
    assert sorted(numbers(val)) == list(range(500, 509))
    assert (len(train), len(test)) == (24, 6)


def test_too_few_to_split() -> None:
    pool = Pool(CLASSES, numbered(np.array([0, 0, 1, 2, 2])), numbered(np.arange(3)))
    with pytest.raises(BadData, match="class 'b' has too few"):
        make_splits(pool, DataConfig())


@pytest.mark.parametrize("train", range(2, 200, 7))
@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5, 0.8])
def test_validation_size_is_the_inverse_of_the_split(train: int, fraction: float) -> None:
    """Drawn datasets draw train + validation_size(train): splitting that by the fraction gives `train` back."""
    total = train + validation_size(train, fraction)
    pool = Pool(("a", "b"), numbered(np.repeat([0, 1], total)), numbered(np.array([0, 1])))
    _, kept, _, _ = make_splits(pool, DataConfig(val_fraction=fraction, per_class=train))
    assert np.bincount(kept.labels).tolist() == [train, train]


def test_pixel_statistics_of_many_parts() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3000, 3, 32, 32), np.uint8)
    images[:, 1] //= 3
    mean, std = pixel_statistics(images)
    np.testing.assert_allclose(mean, images.mean((0, 2, 3)) / 255, atol=1e-6)
    np.testing.assert_allclose(std, images.std((0, 2, 3)) / 255, atol=1e-5)


def test_a_channel_that_stands_still_is_not_scaled() -> None:
    """Red shapes on black: 0 / 0 would be no number, and a channel of rounding errors mostly noise."""
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), np.uint8)
    images[:, 1], images[:, 2] = 0, 7
    images[0, 2, 0, 0] = 8
    (_, green, blue), (red_std, *stds) = pixel_statistics(images)
    assert (green, stds) == (0.0, [1.0, 1.0])
    assert blue == pytest.approx(7 / 255, abs=1e-4)
    assert red_std == pytest.approx(images[:, 0].std() / 255, abs=1e-5)


def test_more_than_the_memory_holds() -> None:
    with pytest.raises(BadConfig, match=r"GB.*smaller image_size"):
        check_memory(10**9, 512)
