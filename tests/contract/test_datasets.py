"""What every registered dataset promises. CIFAR comes from small fake parquet files in the hub's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_data import write_class_folders, write_fake_cifar

from vit_explore.config import DataConfig
from vit_explore.data import Dataset, dataset_status, datasets, load_dataset
from vit_explore.errors import BadConfig


@pytest.fixture(scope="module")
def fake_cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both CIFARs, in small."""
    root = tmp_path_factory.mktemp("shared")
    for name in ("cifar10", "cifar100"):
        write_fake_cifar(root, name, train=20, test=5)
    return root


@pytest.fixture(params=datasets.names())
def config(
    request: pytest.FixtureRequest, tmp_path: Path, fake_cifar: Path, monkeypatch: pytest.MonkeyPatch
) -> DataConfig:
    """A small config of each dataset, loadable without a network."""
    name = request.param
    if name.startswith("cifar"):
        monkeypatch.setenv("VIT_EXPLORE_DATA", str(fake_cifar))
        return DataConfig(dataset=name, per_class=8)
    if name == "folder":
        return DataConfig(dataset=name, path=str(write_class_folders(tmp_path / "mine", 12)), per_class=6)
    config = DataConfig(dataset=name, per_class=8)
    if not dataset_status(name).available:
        pytest.skip(f"{name} is not on this machine")
    return config


def pixels(dataset: Dataset, split: str) -> set[bytes]:
    return {image.tobytes() for image in getattr(dataset, split).images}


def test_shapes_types_and_labels(config: DataConfig) -> None:
    dataset = load_dataset(config)
    for split in (dataset.train, dataset.val, dataset.test):
        assert split.images.dtype == np.uint8
        assert split.images.shape == (len(split), 3, 32, 32)
        assert split.images.flags.c_contiguous
        assert split.images.flags.writeable  # torch.from_numpy warns otherwise
        assert split.labels.dtype == np.int64
        assert set(split.labels) == set(range(len(dataset.classes)))
        assert split.masks is None or (split.masks.shape == (len(split), 32, 32) and split.masks.dtype == bool)


def test_per_class_and_its_share_of_validation(config: DataConfig) -> None:
    dataset = load_dataset(config)
    assert np.bincount(dataset.train.labels).tolist() == [config.per_class] * len(dataset.classes)
    expected = max(1, round(config.per_class * 0.2 / 0.8))
    assert np.bincount(dataset.val.labels).tolist() == [expected] * len(dataset.classes)


def test_the_splits_share_no_image(config: DataConfig) -> None:
    dataset = load_dataset(config)
    train, val, test = (pixels(dataset, split) for split in ("train", "val", "test"))
    assert not train & val
    assert not (train | val) & test


def test_the_seed_decides(config: DataConfig) -> None:
    first, again, other = (load_dataset(config.replace(seed=seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train.images, again.train.images)
    np.testing.assert_array_equal(first.val.labels, again.val.labels)
    assert pixels(first, "train") != pixels(other, "train")


def test_classes_keep_the_order_given(config: DataConfig) -> None:
    whole = load_dataset(config)
    last, first = whole.classes[-1], whole.classes[0]
    part = load_dataset(config.replace(classes=(last, first)))
    assert part.classes == (last, first)
    label = len(whole.classes) - 1
    expected = {image.tobytes() for image in whole.train.images[whole.train.labels == label]}
    assert {image.tobytes() for image in part.train.images[part.train.labels == 0]} == expected
    assert not pixels(part, "train") & pixels(part, "val")
    assert set(part.test.labels) == {0, 1}


def test_an_unknown_class_lists_the_known(config: DataConfig) -> None:
    known = load_dataset(config).classes
    with pytest.raises(BadConfig, match=f"no class 'dragon'.*{known[0]}") as caught:
        load_dataset(config.replace(classes=("dragon", known[0])))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("size", [16, 48])
def test_image_size(config: DataConfig, size: int) -> None:
    dataset = load_dataset(config.replace(image_size=size))
    assert dataset.train.images.shape[1:] == (3, size, size)
    assert dataset.test.images.shape[1:] == (3, size, size)


def test_mean_and_std_are_those_of_the_training_pixels(config: DataConfig) -> None:
    dataset = load_dataset(config)
    scaled = dataset.train.images.astype(np.float64) / 255
    np.testing.assert_allclose(dataset.mean, scaled.mean((0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(dataset.std, scaled.std((0, 2, 3)), atol=1e-5)


def test_the_first_images_of_a_split_are_mixed(config: DataConfig) -> None:
    """A part of a split stands for the whole."""
    dataset = load_dataset(config)
    for split in (dataset.train, dataset.val, dataset.test):
        assert len(set(split.labels[:6])) >= 2


def test_the_second_load_is_the_same(config: DataConfig) -> None:
    first, second = load_dataset(config), load_dataset(config)
    for split in ("train", "val", "test"):
        one, two = getattr(first, split), getattr(second, split)
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.labels, two.labels)
        assert (one.masks is None) == (two.masks is None)
    second.train.images[:] = 0  # a caller's own copy: what is cached stays as it is
    np.testing.assert_array_equal(load_dataset(config).train.images, first.train.images)


def test_it_says_nothing(config: DataConfig, capsys: pytest.CaptureFixture[str]) -> None:
    load_dataset(config)
    assert capsys.readouterr().out == ""


def test_progress_is_a_message_and_a_share(config: DataConfig) -> None:
    seen: list[tuple[str, float]] = []
    load_dataset(config, lambda message, share: seen.append((message, share)))
    assert seen
    assert all(message and 0 <= share <= 1 for message, share in seen)


def test_status(config: DataConfig) -> None:
    status = dataset_status(config.dataset)
    assert status.available
    assert status.name == config.dataset
    assert status.title
    assert status.description
    assert status.where
    assert status.classes in ((), load_dataset(config).classes)
