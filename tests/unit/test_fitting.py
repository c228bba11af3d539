"""The model's input apart from the data's size: resized batch by batch, in training, in looks and for a picture."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from run_tools import me, tiny_config, tiny_dataset, tiny_trainer
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, IMAGENET_INCEPTION_MEAN, create_transform

from vit_explore import explain
from vit_explore.config import DataConfig, RunConfig
from vit_explore.data import load_dataset
from vit_explore.data.augment import to_input
from vit_explore.data.fitting import Fitting
from vit_explore.errors import BadConfig
from vit_explore.runs.export import export
from vit_explore.runs.loaded import LoadedModel
from vit_explore.runs.pulse import Pulse
from vit_explore.runs.recorder import train_run
from vit_explore.runs.references import load_model
from vit_explore.runs.store import RunStore
from vit_explore.training import Finished, Step, memory
from vit_explore.training.batches import Batches
from vit_explore.training.evaluate import largest_batch
from vit_explore.ui.pages.train.inside import look_inside, picture_uri

LARGER = {"input_size": 24, "patch_size": 4}


def noise(n: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 3, side, side)).astype(np.uint8)


@pytest.mark.parametrize(("side", "to"), [(8, 24), (32, 20), (32, 224), (13, 40)])
@pytest.mark.parametrize("kernel", ["the CPU's", "others'"])
def test_resizing_is_pillows(side: int, to: int, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(3, side)
    if kernel == "others'":  # as on a GPU
        monkeypatch.setattr(torch.Tensor, "device", SimpleNamespace(type="cuda"))
    resized = Fitting(to)(torch.from_numpy(images))
    monkeypatch.undo()
    assert resized.dtype == torch.uint8
    ours = resized.numpy().astype(np.float32)
    for mine, image in zip(ours, images, strict=True):
        picture = Image.fromarray(image.transpose(1, 2, 0)).resize((to, to), Image.Resampling.BILINEAR)
        assert np.abs(mine.transpose(1, 2, 0) - np.asarray(picture, np.float32)).max() <= 1  # Pillow rounds twice


def test_a_batch_is_normalised_wherever_it_was_resized() -> None:
    mean, std = torch.full((1, 3, 1, 1), 0.5), torch.full((1, 3, 1, 1), 0.25)
    x = torch.from_numpy(noise(2, 8))
    assert to_input(Fitting(16)(x), mean, std).abs().max() <= 2
    for device in ("meta", *(["cuda"] if torch.cuda.is_available() else [])):  # float32 would be taken for features
        assert Fitting(16, 0.8)(x.to(device)).dtype == torch.uint8, device


def test_the_crop_is_timms() -> None:
    images = noise(2, 32)
    ours = Fitting(56, 0.875)(torch.from_numpy(images)).numpy().astype(int)
    transform = create_transform((3, 56, 56), interpolation="bilinear", crop_pct=0.875, normalize=False)
    for mine, image in zip(ours, images, strict=True):
        theirs = transform(Image.fromarray(image.transpose(1, 2, 0))).numpy()
        assert np.abs(mine - theirs).max() <= 1


def test_images_of_the_models_own_size_are_left_alone() -> None:
    images = torch.from_numpy(noise(2, 8))
    assert Fitting(8)(images).dtype == torch.uint8
    assert torch.equal(Fitting(8)(images), images)


def test_no_enlarged_copy_of_the_data_is_kept() -> None:
    data, train = tiny_dataset(), tiny_config().train
    batches = Batches(data, train, torch.device("cpu"), Fitting(224))
    x, _ = batches.at(0)
    assert x.shape == (6, 3, 224, 224)
    held = sum(value.nbytes for value in vars(batches).values() if isinstance(value, torch.Tensor))
    assert held < 1.2 * (data.train.images.nbytes + 2 * data.train.labels.nbytes)


@pytest.mark.parametrize(
    "changes", [LARGER, {**LARGER, "crop": 0.75}, {"crop": 0.5}, {**LARGER, "low_res_fraction": 0}]
)
def test_a_run_at_another_size_trains_and_is_looked_at_alike(changes: dict) -> None:
    trainer = tiny_trainer(tiny_config(**changes))
    found = list(trainer.events())
    side = changes.get("input_size", 8)
    assert (found[0].model.image_size, found[0].model.crop) == (side, changes.get("crop", 1.0))
    assert found[0].sample_images.shape[1:] == (3, 8, 8)
    assert isinstance(found[-1], Finished)
    data = trainer.dataset
    x = to_input(Fitting(side, changes.get("crop", 1.0))(torch.from_numpy(data.test.images)), trainer.batches.mean,
                 trainer.batches.std)  # fmt: skip
    with torch.inference_mode():
        answers = trainer.model.eval()(x).argmax(1).numpy()
    assert np.array_equal(answers, found[-1].predictions)


def test_a_resnet_takes_another_size_too() -> None:
    steps = [event for event in tiny_trainer(tiny_config(model="resnet-slim", input_size=16, epochs=0.5)).events()
             if isinstance(event, Step)]  # fmt: skip
    assert len(steps) == 8


@pytest.fixture
def stored(tmp_path: Path) -> tuple[RunStore, str]:
    store = RunStore(tmp_path)
    run = store.create(tiny_config(epochs=0.5, **LARGER, crop=0.75))
    claimant = me()
    store.claim_id(claimant)
    with Pulse(store, claimant, registered=False) as pulse:
        assert train_run(store, store.get(run), pulse, threading.Event(), make_trainer=tiny_trainer).state == "finished"
    return store, run


def expected_of(loaded: LoadedModel, image: np.ndarray) -> np.ndarray:
    """What training made of an image of the dataset."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (loaded.mean, loaded.std))
    return to_input(Fitting(24, 0.75)(torch.from_numpy(image)[None]), mean, std).numpy()


def test_a_loaded_model_sees_a_picture_as_training_showed_it(stored: tuple[RunStore, str], tmp_path: Path) -> None:
    _, run = stored
    loaded = load_model(f"run:{run}", home=tmp_path)
    image = tiny_dataset().val.images[0]
    assert loaded.image_size == 24
    np.testing.assert_allclose(
        loaded.preprocess(image.transpose(1, 2, 0)).numpy(), expected_of(loaded, image), atol=1e-6
    )
    photo = noise(1, 96)[0].transpose(1, 2, 0)
    assert loaded.seen(photo).shape == (24, 24, 3)
    fine, coarse = loaded.seen(photo, 96), loaded.seen(photo)
    assert fine.shape == (96, 96, 3)
    assert np.abs(fine.mean((0, 1)) - coarse.mean((0, 1))).max() < 12  # the same part, for all its details
    maps = explain.attention_maps(loaded, loaded.preprocess(photo))
    assert maps.grid == (6, 6)


def test_the_live_pictures_are_cut_as_the_model_sees_them(stored: tuple[RunStore, str], tmp_path: Path) -> None:
    loaded = load_model(f"run:{stored[1]}", home=tmp_path)
    images = noise(3, 8).transpose(0, 2, 3, 1)
    view = look_inside(loaded, 8, images, pinned=1)
    assert view.picture == picture_uri(loaded.seen(images[1], 8)) != picture_uri(images[1])
    assert len(view.blocks) == 1


def test_an_export_says_at_which_size_the_data_were(
    stored: tuple[RunStore, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = stored
    folder = tmp_path / "bundle"
    folder.mkdir()
    export(f"run:{run}", folder / "mine", home=tmp_path)
    monkeypatch.setattr("vit_explore.runs.stored.WEIGHTS", folder)
    loaded, image = load_model("bundled:mine"), tiny_dataset().val.images[1]
    np.testing.assert_allclose(
        loaded.preprocess(image.transpose(1, 2, 0)).numpy(), expected_of(loaded, image), atol=1e-6
    )


def test_a_fork_cannot_change_the_size_of_a_vit(stored: tuple[RunStore, str]) -> None:
    store, run = stored
    step = store.snapshots(run)[-1].step
    with pytest.raises(BadConfig, match="do not fit with another input size"):
        store.fork(run, step, input_size=32, epochs=2)
    assert store.get(store.fork(run, step, epochs=2)).settings().model.image_size == 24


def test_a_stored_run_keeps_its_size(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for config in (tiny_config(**LARGER), tiny_config(), tiny_config(image_size=16)):
        found = store.get(store.create(config)).settings()
        assert (found.model, found.data) == (config.model, config.data)


def test_memory_counts_the_images_at_their_own_size_and_the_model_at_its() -> None:
    small, large = (memory.memory_of(RunConfig().update(input_size=size), images=1000) for size in (32, 64))
    assert small.images == large.images == 1000 * 3 * 32**2
    assert large.activations > 3 * small.activations


def test_batches_of_large_images_are_smaller() -> None:
    assert [largest_batch("cuda", side) for side in (32, 64, 128, 224)] == [2000, 2000, 500, 163]


def test_normalisation_is_as_asked_for() -> None:
    own, half, imagenet = (
        load_dataset(DataConfig(dataset="shapes", per_class=2, image_size=8, normalize=how))
        for how in ("data", "half", "imagenet")
    )
    np.testing.assert_allclose(own.mean, own.train.images.mean((0, 2, 3)) / 255, atol=1e-6)
    assert (half.mean, half.std) == (IMAGENET_INCEPTION_MEAN, IMAGENET_INCEPTION_MEAN)
    assert (imagenet.mean, imagenet.std) == (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    trainer_batch = Batches(replace(own, mean=half.mean, std=half.std), tiny_config(augment="none").train,
                            torch.device("cpu"), Fitting(8)).at(0)[0]  # fmt: skip
    assert -1 <= trainer_batch.min() < 0 < trainer_batch.max() <= 1
