"""Heavy augmentation: Mixup, CutMix and erasing are held to timm's, the changes of RandAugment to Pillow's."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from run_tools import tiny_config, tiny_dataset, tiny_trainer
from scipy.stats import kstest
from timm.data import auto_augment
from timm.data.mixup import Mixup, mixup_target
from timm.data.random_erasing import RandomErasing
from timm.loss import SoftTargetCrossEntropy

from vit_explore.data import rand_augment as augmenting
from vit_explore.data.augment import take_batch, to_input
from vit_explore.data.fitting import Fitting
from vit_explore.data.mixing import erase, mix
from vit_explore.data.rand_augment import CHANGES, rand_augment
from vit_explore.training import Step
from vit_explore.training.batches import Batches
from vit_explore.training.devices import Numerics
from vit_explore.training.parallel import Replicas
from vit_explore.training.setup import generator, numbers

N, CLASSES = 400, 5
X = torch.randn(N, 3, 12, 10, generator=torch.Generator().manual_seed(0))
Y = torch.arange(N) % CLASSES


def shares(targets: torch.Tensor) -> torch.Tensor:
    """How much each image kept of its own, where its partner is of another class; (m,) and which they are."""
    return targets[torch.arange(N), Y][Y.flip(0) != Y]


def test_mixup_is_the_mean_of_two_images_and_of_their_targets() -> None:
    x, targets = mix(X, Y, CLASSES, 0.4, 0.0, np.random.default_rng(1))
    own = shares(targets)
    others = (Y.flip(0) != Y).nonzero()[:, 0]
    expected = own[:, None, None, None] * X[others] + (1 - own)[:, None, None, None] * X.flip(0)[others]
    torch.testing.assert_close(x[others], expected)
    lam = torch.full((N, 1), 1.0)
    lam[others, 0] = own
    torch.testing.assert_close(targets, mixup_target(Y, CLASSES, lam))
    assert kstest(own.numpy(), "beta", args=(0.4, 0.4)).pvalue > 0.01


def test_cutmix_takes_one_box_of_another_image() -> None:
    x, targets = mix(X, Y, CLASSES, 0.0, 1.0, np.random.default_rng(2))
    foreign = (x != X).any(1)
    assert torch.equal(torch.where(foreign[:, None], X.flip(0), X), x)
    for mask, image in zip(foreign, range(N), strict=True):
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None])  # a box
        if Y[image] != Y.flip(0)[image]:
            assert targets[image, Y[image]] == pytest.approx(1 - mask.float().mean().item(), abs=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(N))


def test_the_boxes_of_cutmix_are_as_large_as_timms() -> None:
    np.random.seed(0)
    reference = Mixup(mixup_alpha=0, cutmix_alpha=1.0, mode="elem", label_smoothing=0, num_classes=CLASSES)
    theirs = shares(reference(X.clone(), Y)[1])
    ours = shares(mix(X, Y, CLASSES, 0.0, 1.0, np.random.default_rng(3))[1])
    assert ours.mean() == pytest.approx(theirs.mean().item(), abs=0.06)  # three standard errors
    assert ours.std() == pytest.approx(theirs.std().item(), abs=0.04)


def test_with_both_each_image_draws_one() -> None:
    x, _ = mix(X, Y, CLASSES, 1.0, 1.0, np.random.default_rng(4))
    mixed = ((x != X) & (x != X.flip(0))).flatten(1).any(1)  # pixels of neither image
    assert 0.4 < mixed.float().mean() < 0.6


def test_the_loss_of_mixed_images_is_timms() -> None:
    """Label smoothing and mixing together."""
    trainer = tiny_trainer(tiny_config(mixup=0.5, label_smoothing=0.1))
    x, targets = trainer.batches.at(0, share=0.0)
    labels = trainer.batches.labels[trainer.batches._index(0)]
    ours = trainer._loss_with(Numerics("fp32", fused=True))(trainer.model, x, targets) / len(x)
    own = (targets * F.one_hot(labels, 3)).sum(1, keepdim=True)
    lam = torch.where(labels[:, None] == labels.flip(0)[:, None], 1.0, own)
    expected = SoftTargetCrossEntropy()(trainer.model(x), mixup_target(labels, 3, lam, smoothing=0.1))
    torch.testing.assert_close(ours, expected)


def test_replicas_share_mixed_images_too() -> None:
    trainer = tiny_trainer(tiny_config(cutmix=1.0, batch_size=12))
    x, targets = trainer.batches.at(0, share=0.0)
    loss_of, found = trainer._loss_with(Numerics("fp32", fused=True)), []
    for count in (1, 2):
        replicas = Replicas(trainer.model, count)
        try:
            loss = replicas.backward(loss_of, x, targets)
        finally:
            replicas.close()
        found.append([loss, *(p.grad.clone() for p in trainer.model.parameters() if p.grad is not None)])
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


def test_erasing_takes_boxes_as_timms() -> None:
    random.seed(0)
    theirs = RandomErasing(0.7, mode="const", device="cpu")(torch.ones(2000, 3, 32, 32))
    ours = erase(torch.ones(2000, 3, 32, 32), 0.7, np.random.default_rng(0))
    for x in (ours, theirs):
        for mask in (x == 0).any(1)[:50]:
            assert torch.equal(mask, mask.any(1)[:, None] & mask.any(0)[None])
    gone, their = ((x[:, 0] == 0).float().mean((1, 2)) for x in (ours, theirs))
    assert (gone > 0).float().mean() == pytest.approx(0.7, abs=0.035)
    assert gone[gone > 0].mean() == pytest.approx(their[their > 0].mean().item(), abs=0.012)
    assert gone[gone > 0].std() == pytest.approx(their[their > 0].std().item(), abs=0.012)
    assert gone.max() <= 1 / 3 + 0.02


# ------------------------------------------------------------------ RandAugment

SIDE = 32
GREY = (100, 120, 140)


def smooth(n: int) -> torch.Tensor:
    """Images without sharp edges, so that two ways to interpolate agree."""
    coarse = torch.randint(0, 256, (n, 3, 5, 5), generator=torch.Generator().manual_seed(1)).float()
    return F.interpolate(coarse, SIDE, mode="bilinear", align_corners=True).round().to(torch.uint8)


def pillows(name: str, image: Image.Image, level: float) -> Image.Image:
    """The same by timm's functions on Pillow images."""
    how = {"fillcolor": GREY, "resample": Image.Resampling.BILINEAR}
    slope, shift, factor = 0.3 * level, int(150 / 331 * SIDE * level), 1 + 0.9 * level
    return {
        "shear x": lambda: auto_augment.shear_x(image, slope, **how),
        "shear y": lambda: auto_augment.shear_y(image, slope, **how),
        "shift x": lambda: auto_augment.translate_x_abs(image, -shift, **how),
        "shift y": lambda: auto_augment.translate_y_abs(image, -shift, **how),
        "turn": lambda: auto_augment.rotate(image, 30 * level, **how),
        "brightness": lambda: auto_augment.brightness(image, factor),
        "colour": lambda: auto_augment.color(image, factor),
        "contrast": lambda: auto_augment.contrast(image, factor),
        "sharpness": lambda: auto_augment.sharpness(image, factor),
        "nothing": lambda: image,
        "posterise": lambda: auto_augment.posterize(image, 8 - round(4 * level)),
        "solarise": lambda: auto_augment.solarize(image, 255 * (1 - level)),
        "autocontrast": lambda: auto_augment.auto_contrast(image),
        "equalise": lambda: auto_augment.equalize(image),
    }[name]()


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("level", [-0.6, 0.3, 1.0])
def test_each_change_is_pillows(name: str, level: float) -> None:
    if name in augmenting.UNSIGNED and level < 0:
        return
    images = smooth(3)
    ours = CHANGES[name](images, level, list(map(float, GREY))).permute(0, 2, 3, 1).numpy().astype(int)
    for mine, image in zip(ours, images, strict=True):
        theirs = np.asarray(pillows(name, Image.fromarray(image.permute(1, 2, 0).numpy()), level)).astype(int)
        apart = np.abs(mine - theirs).max(-1)
        assert np.quantile(apart, 0.9) <= 8, np.quantile(apart, 0.9)  # the edge of what comes in is softer here
        assert apart.mean() < 6


def test_two_changes_of_each_image_and_of_no_other() -> None:
    images = smooth(64)
    before = images.clone()
    out = rand_augment(images, 9, [0.0] * 3, np.random.default_rng(0))
    assert torch.equal(images, before)
    assert (out.dtype, out.shape) == (torch.uint8, images.shape)
    share = (out != images).flatten(1).any(1).float().mean()
    assert share > 0.85  # two of fourteen changes: nothing twice is rare
    alone = rand_augment(images.clone(), 0, [0.0] * 3, np.random.default_rng(0))
    still = (alone == images).flatten(1).all(1).float().mean()
    assert 0.4 < still < 0.9  # autocontrast and equalising have no magnitude


# ------------------------------------------------------------------ in training

HEAVY = {"mixup": 0.4, "cutmix": 1.0, "erasing": 0.5, "rand_augment": 9}


def batches(**changes: object) -> Batches:
    return Batches(tiny_dataset(), tiny_config(**changes).train, torch.device("cpu"), Fitting(8))


def test_without_it_a_batch_is_what_it_was() -> None:
    own = batches(augment="flip+crop")
    x, y = own.at(3)
    index = torch.randperm(96, generator=generator(0, 0, 1))[18:24]
    plain = take_batch(own.images, index, "flip+crop", generator(0, 3, 2))
    assert torch.equal(x, to_input(plain, own.mean, own.std))
    assert torch.equal(y, own.labels[index])


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    ours, again, other = batches(**HEAVY), batches(**HEAVY), batches(**HEAVY, seed=1)
    for step in (0, 7, 20):
        for one, two in zip(ours.at(step, 0.1), again.at(step, 0.1), strict=True):
            assert torch.equal(one, two)
    assert not torch.equal(ours.at(7, 0.1)[0], other.at(7, 0.1)[0])
    state, rng = torch.get_rng_state(), np.random.get_state()[1].copy()
    ours.at(3, 0.1)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], rng)
    assert not np.array_equal(numbers(0, 1, 5).random(4), numbers(0, 2, 5).random(4))


def test_mixing_ends_when_it_should() -> None:
    own = batches(**HEAVY, mix_until=0.6)
    assert own.at(0, 0.59)[1].shape == (6, 3)
    assert own.at(0, 0.6)[1].shape == (6,)
    trainer = tiny_trainer(tiny_config(epochs=4, mixup=1.0, mix_until=0.5, low_res_fraction=0, lr=0.01))
    losses = [event.loss for event in trainer.events() if isinstance(event, Step)]
    assert math.isfinite(sum(losses))
    assert np.mean(losses[20:32]) > np.mean(losses[32:44])  # the loss of mixed images is higher
