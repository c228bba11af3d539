"""Labs that change pictures: each change is what it says, and the count and the verdict are right."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

import vit_explore as vx
from vit_explore.errors import BadConfig, UnknownName
from vit_explore.labs import changing, fgsm, high_pass, low_pass, noise, occlude, permute, rotate, scale, shift, shuffle
from vit_explore.labs.base import LabProgress, LabResult, Line, labs
from vit_explore.runs.loaded import LoadedModel

CHANGING = [name for name, lab in labs if lab.axis]
CLASSES = ("a", "b", "c")


def net(**changes: Any) -> nn.Module:
    torch.manual_seed(0)
    config = vx.ModelConfig(**{"num_classes": 3, "width": 32, "depth": 2, "num_heads": 4, **changes})
    model = vx.create_model(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("qkv.weight", "head.weight", "fc.weight")):
                parameter.normal_(std=0.3)
    return model


def loaded(ref: str = "one", **changes: Any) -> LoadedModel:
    return LoadedModel(net(**changes), CLASSES, 32, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), ref)


def pictures(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8), rng.integers(0, 3, count)


def subject(model: LoadedModel | None = None, count: int = 12) -> changing.Subject:
    return changing._subject(model or loaded(), *pictures(count), seed=0)


def sorted_pixels(images: Tensor) -> Tensor:
    return images.flatten(2).sort(dim=2).values


@pytest.mark.parametrize("side", [2, 4, 8])
def test_shuffling_moves_whole_pieces_and_loses_none(side: int) -> None:
    one = subject()
    moved = shuffle.shuffled(one, side)
    assert torch.equal(sorted_pixels(moved), sorted_pixels(one.images))
    piece = 32 // side
    pieces = {bytes(p.numpy().tobytes()) for p in one.images[0].unfold(1, piece, piece).unfold(2, piece, piece)
              .permute(1, 2, 0, 3, 4).reshape(-1, 3, piece, piece).contiguous()}  # fmt: skip
    for p in (
        moved[0].unfold(1, piece, piece).unfold(2, piece, piece).permute(1, 2, 0, 3, 4).reshape(-1, 3, piece, piece)
    ):
        assert p.contiguous().numpy().tobytes() in pieces
    assert not torch.equal(moved, one.images)
    assert torch.equal(shuffle.shuffled(one, 1), one.images)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_without_position_embeddings_a_vits_answer_does_not_change(side: int) -> None:
    """Paper, section 3.1; the largest difference is that of rounding."""
    blind, seeing = subject(loaded(pos_embed="none")), subject()
    with torch.no_grad():
        change = (blind.net(shuffle.shuffled(blind, side)) - blind.net(blind.images)).abs().max()
        assert change < 1e-4
        assert (seeing.net(shuffle.shuffled(seeing, side)) - seeing.net(seeing.images)).abs().max() > 100 * change


def test_a_permutation_is_the_same_for_all_pictures_and_moves_the_share_it_says() -> None:
    one = subject()
    place = torch.arange(1024.0).view(1, 1, 32, 32).expand(12, 3, 32, 32)
    moved = permute.permuted(changing.Subject(one.net, place, one.labels, one.std, one.low, one.high), 0.5)
    assert torch.equal(moved[0, 0], moved[5, 2])
    share = (moved[0, 0] != place[0, 0]).float().mean()
    assert 0.49 < share <= 0.5
    assert torch.equal(sorted_pixels(permute.permuted(one, 1)), sorted_pixels(one.images))
    assert torch.equal(permute.permuted(one, 0), one.images)


def test_a_shift_moves_to_the_right_and_repeats_the_edge() -> None:
    one = subject()
    moved = shift.shifted(one, 3)
    assert torch.equal(moved[..., 3:], one.images[..., :-3])
    assert torch.equal(moved[..., :3], one.images[..., :1].expand(-1, -1, -1, 3))
    assert torch.equal(shift.shifted(one, 0), one.images)


def test_turns_and_sizes() -> None:
    one = subject()
    for same in (rotate.rotated(one, 0), scale.scaled(one, 1)):
        assert torch.allclose(same, one.images, atol=1e-4)
    assert torch.allclose(rotate.rotated(one, 180), one.images.flip(2, 3), atol=1e-3)
    assert torch.allclose(rotate.rotated(one, 90), one.images.rot90(1, (2, 3)), atol=1e-3) or torch.allclose(
        rotate.rotated(one, 90), one.images.rot90(-1, (2, 3)), atol=1e-3
    )
    smooth = torch.nn.functional.interpolate(torch.randn(1, 3, 4, 4), size=32, mode="bilinear")
    half = scale.scaled(changing.Subject(one.net, smooth, one.labels, one.std, one.low, one.high), 0.5)
    expected = torch.nn.functional.avg_pool2d(smooth, 2)
    assert torch.allclose(half[..., 8:24, 8:24], expected, atol=1e-4)


@pytest.mark.parametrize("cycles", [1, 4, 10])
def test_a_wave_passes_or_is_stopped_by_its_frequency(cycles: int) -> None:
    wave = torch.cos(2 * torch.pi * cycles * torch.arange(32) / 32).expand(1, 3, 32, 32) + 0.5
    one = subject()
    s = changing.Subject(one.net, wave, one.labels, one.std, one.low, one.high)
    share = cycles / 16
    flat = torch.full_like(wave, 0.5)
    assert torch.allclose(low_pass.low_passed(s, share + 0.01), wave, atol=1e-5)
    assert torch.allclose(low_pass.low_passed(s, share - 0.01), flat, atol=1e-5)
    assert torch.allclose(high_pass.high_passed(s, share - 0.01), wave, atol=1e-5)
    assert torch.allclose(high_pass.high_passed(s, share + 0.01), flat, atol=1e-5)


def test_noise_has_the_spread_it_says_and_stays_within_the_pixels() -> None:
    grey = changing._subject(loaded(), np.full((40, 3, 32, 32), 128, np.uint8), np.zeros(40, int), 0)
    changed = (noise.noisy(grey, 16) - grey.images) * grey.std * 255
    assert changed.std().item() == pytest.approx(16, rel=0.02)
    loud = noise.noisy(grey, 400)
    assert (loud >= grey.low).all()
    assert (loud <= grey.high).all()
    ratio = (noise.noisy(grey, 8) - grey.images) / (noise.noisy(grey, 16) - grey.images)
    assert ratio.median().item() == pytest.approx(0.5, abs=1e-3)  # the same noise, weaker


def test_the_adversarial_step_is_captums() -> None:
    from captum.robust import FGSM

    one = subject(count=6)
    eps = 2 / 255
    low, high = one.low.expand(3, 1, 1), one.high
    plain = one.images * one.std  # in units of pixels, where one step is equal in all channels

    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return one.net(x / one.std)

    theirs = FGSM(Scaled(), loss_func=nn.CrossEntropyLoss(reduction="none")).perturb(plain, eps, one.labels) / one.std
    ours = fgsm.attacked(one, 2)
    differs = (ours - theirs.clamp(low, high).detach()).abs() > 1e-5
    assert differs.float().mean() < 1e-3  # where the slope is 0 but for rounding, its sign is anybody's guess
    with torch.no_grad():
        loss = nn.CrossEntropyLoss()
        assert loss(one.net(ours), one.labels) > loss(one.net(one.images), one.labels)
    assert ((ours - one.images).abs() * one.std * 255 < 2 + 1e-3).all()


@pytest.mark.parametrize("cover", [occlude.at_random, occlude.from_the_middle, occlude.looked_at])
def test_the_share_covered_is_the_share_said_and_grows(cover: Any) -> None:
    one = subject()
    before = torch.zeros(12, 1, 32, 32, dtype=torch.bool)
    for level in (0.0, 0.25, 0.5, 1.0):
        gone = (cover(one, level) == 0).all(dim=1, keepdim=True)
        assert gone.float().mean((1, 2, 3)).tolist() == pytest.approx([level] * 12, abs=0.01)
        assert (gone | ~before).all()
        before = gone


def test_what_the_model_looks_at_is_covered_first() -> None:
    one = subject()
    heat = torch.from_numpy(vx.explain.relevance(one.net, one.images, one.labels))
    gone = (occlude.looked_at(one, 0.25)[:, :, ::4, ::4] == 0).all(dim=1)
    assert (heat[gone].view(12, -1).min(1).values >= heat[~gone].view(12, -1).max(1).values - 1e-6).all()


@pytest.mark.parametrize(("right", "count"), [(0, 20), (7, 20), (20, 20), (431, 512)])
def test_the_interval_is_wilsons(right: int, count: int) -> None:
    expected = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(changing.wilson(right, count), (expected.low, expected.high), atol=1e-9)


@pytest.mark.parametrize("name", CHANGING)
def test_a_lab_runs_on_a_vit_and_a_resnet(name: str) -> None:
    images, labels = pictures()
    models = (loaded(), loaded("two", architecture="resnet-slim"))
    *told, result = vx.labs.run(name, models, images, labels=labels)
    assert isinstance(result, LabResult)
    shares = [step.share for step in told if isinstance(step, LabProgress)]
    assert shares == sorted(shares)
    assert len(shares) == 2 * len(labs.get(name).levels)
    for line, model in zip(result.lines, models, strict=True):
        with torch.no_grad():
            answers = model.model(changing._subject(model, images, labels, 0).images).argmax(1)
        assert line.accuracy[0] == pytest.approx(float((answers.numpy() == labels).mean()))
        assert line.same[0] == 1
        assert len(line.accuracy) == len(labs.get(name).levels) == len(result.pictures)
        assert all(low <= a <= high for a, low, high in zip(line.accuracy, line.low, line.high, strict=True))
    assert len(result.findings) == 2
    assert result.question == labs.get(name).question
    assert result.pictures[0].shape == (32, 32, 3)


def line(ref: str, first: float, last: float, images: int = 1000) -> Line:
    ends = [changing.wilson(round(share * images), images) for share in (first, last)]
    low, high = ([end[i] for end in ends] for i in (0, 1))
    return Line(ref, (0.0, 1.0), (first, last), tuple(low), tuple(high), (1.0, 0.5), 0.1, images)


def test_the_verdict_can_go_either_way_and_can_be_none() -> None:
    a, b = line("A", 0.9, 0.7), line("B", 0.8, 0.3)
    assert changing.verdict([a, b]) == "A keeps more of what it knows: 75 % against 29 % of B."
    assert changing.verdict([b, a]) == changing.verdict([a, b])
    assert changing.verdict([line("A", 0.9, 0.3), line("B", 0.8, 0.6)]).startswith("B keeps more")
    assert changing.verdict([a, line("C", 0.88, 0.68)]).startswith("Both lose alike here")
    assert changing.verdict([a, line("D", 0.1, 0.1)]).startswith("One of them knows nothing")
    assert (
        changing.verdict([a])
        == "A: 90.0 % at first, 70.0 % at the strongest change, 75 % of what it knows beyond chance."
    )
    assert "(chance)" in changing.finding(line("A", 0.9, 0.1))


def test_a_mistake_is_one_sentence() -> None:
    images, labels = pictures()
    with pytest.raises(BadConfig, match="give references, images and labels"):
        list(vx.labs.run("shift", (), images, labels=labels))
    with pytest.raises(BadConfig, match="give references, images and labels"):
        list(vx.labs.run("shift", (loaded(),), images))
    other = dataclasses.replace(loaded(), classes=("a", "b", "d"))
    with pytest.raises(BadConfig, match="do not have the same classes"):
        list(vx.labs.run("shift", (loaded(), other), images, labels=labels))
    with pytest.raises(UnknownName, match=r"no lab named 'shfit'.*did you mean 'shift'"):
        vx.labs.run("shfit")
