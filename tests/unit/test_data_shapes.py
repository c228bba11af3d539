"""The drawn dataset: seeded, masks that tell the truth, too hard for a linear model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vit_explore.config import DataConfig
from vit_explore.data import load_dataset
from vit_explore.data.drawing import SHAPES, draw_shapes, polygon
from vit_explore.errors import BadConfig

SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)


def test_polygon_distance_of_a_square() -> None:
    u, v = np.meshgrid(np.linspace(-2, 2, 41, dtype=np.float32), np.linspace(-2, 2, 41, dtype=np.float32))
    outside = np.hypot(np.maximum(np.abs(u) - 1, 0), np.maximum(np.abs(v) - 1, 0))
    inside = np.minimum(np.maximum(np.abs(u), np.abs(v)) - 1, 0)
    np.testing.assert_allclose(polygon(SQUARE, u, v), outside + inside, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_fills_the_unit_circle_and_stays_in_it(name: str) -> None:
    u, v = np.meshgrid(np.linspace(-1.5, 1.5, 301, dtype=np.float32), np.linspace(-1.5, 1.5, 301, dtype=np.float32))
    inside = SHAPES[name](u, v) < 0
    assert np.hypot(u, v)[inside].max() < 1.03
    assert 0.15 < inside.sum() / (np.hypot(u, v) < 1).sum() < 0.8


@pytest.mark.parametrize("size", [8, 17, 64])
def test_a_longer_draw_begins_with_the_same_images(size: int) -> None:
    few, few_masks = draw_shapes("star", 3, size, seed=5)
    many, many_masks = draw_shapes("star", 7, size, seed=5)
    np.testing.assert_array_equal(few, many[:3])
    np.testing.assert_array_equal(few_masks, many_masks[:3])
    assert not np.array_equal(few, draw_shapes("star", 3, size, seed=6)[0])
    assert not np.array_equal(few, draw_shapes("star", 3, size, seed=5, stream=1)[0])


def test_the_same_scene_at_another_size() -> None:
    small, large = draw_shapes("heart", 8, 16, seed=1)[1], draw_shapes("heart", 8, 128, seed=1)[1]
    np.testing.assert_allclose(small.mean((1, 2)), large.mean((1, 2)), atol=0.03)


@pytest.mark.parametrize("name", SHAPES)
def test_the_object_stands_out_inside_its_mask(name: str) -> None:
    """Inside the mask one colour, up to the noise, which the ground around it seldom has."""
    images, masks = draw_shapes(name, 60, 48, seed=2)
    for image, mask in zip(images.astype(float), masks, strict=True):
        inside, outside = image[:, mask], image[:, ~mask]
        colour = np.median(inside, axis=1)
        assert np.median(np.linalg.norm(inside - colour[:, None], axis=0)) < 40
        assert np.mean(np.linalg.norm(outside - colour[:, None], axis=0) < 40) < 0.35
    assert 0.02 < masks.mean() < 0.35


def test_every_split_has_masks_that_fit_its_images() -> None:
    dataset = load_dataset(DataConfig(dataset="shapes", classes=("ring", "disc"), per_class=12, image_size=32))
    for split in (dataset.train, dataset.val, dataset.test):
        assert split.masks is not None
        for image, mask in zip(split.images.astype(float), split.masks, strict=True):
            spread_inside = np.abs(image[:, mask] - np.median(image[:, mask], axis=1, keepdims=True)).mean()
            shifted = np.roll(mask, (11, 11), (0, 1))
            spread_elsewhere = np.abs(image[:, shifted] - np.median(image[:, shifted], axis=1, keepdims=True)).mean()
            assert spread_inside < spread_elsewhere + 12


def test_default_and_asked_amounts() -> None:
    dataset = load_dataset(DataConfig(dataset="shapes", classes=("ring", "disc"), image_size=8))
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (2000, 500, 400)
    more = load_dataset(DataConfig(dataset="shapes", classes=("ring", "disc"), image_size=8, per_class=1500))
    assert (len(more.train), len(more.val), len(more.test)) == (3000, 750, 400)
    with pytest.raises(BadConfig, match="smaller per_class"):
        load_dataset(DataConfig(dataset="shapes", image_size=512, per_class=10**6))


@pytest.mark.filterwarnings("ignore:lbfgs failed")  # it need not converge to show what it can do
def test_a_linear_model_on_pixels_stays_under_half() -> None:
    from sklearn.linear_model import LogisticRegression

    dataset = load_dataset(DataConfig(dataset="shapes", per_class=100))
    flat = dataset.train.images.reshape(len(dataset.train), -1) / 255
    model = LogisticRegression(C=1e-2, max_iter=25).fit(flat, dataset.train.labels)
    assert model.score(dataset.test.images.reshape(len(dataset.test), -1) / 255, dataset.test.labels) < 0.5


def test_the_masks_alone_tell_the_class() -> None:
    """The labels are right: rotation-invariant moments of the masks separate the shapes far better than chance."""
    from sklearn.ensemble import RandomForestClassifier

    def features(masks: np.ndarray) -> np.ndarray:
        rows, cols = np.mgrid[: masks.shape[1], : masks.shape[2]]
        out = []
        for mask in masks:
            radius = np.hypot(rows[mask] - rows[mask].mean(), cols[mask] - cols[mask].mean()) / np.sqrt(mask.sum())
            out.append(np.histogram(radius, bins=12, range=(0, 1.5), density=True)[0])
        return np.array(out)

    dataset = load_dataset(DataConfig(dataset="shapes", per_class=100, image_size=48))
    model = RandomForestClassifier(100, random_state=0).fit(features(dataset.train.masks), dataset.train.labels)
    assert model.score(features(dataset.test.masks), dataset.test.labels) > 0.85


def test_the_second_load_is_read_from_the_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = DataConfig(dataset="shapes", classes=("ring", "disc"), per_class=4)
    first = load_dataset(config)
    monkeypatch.setattr("vit_explore.data.sources.shapes.draw_shapes", None)
    second = load_dataset(config)
    np.testing.assert_array_equal(first.train.masks, second.train.masks)
    assert list((home / "data").glob("shapes-*.npy"))
