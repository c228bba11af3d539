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
from vit_explore.errors import BadConfig, BadData, NotApplicable, UnknownName
from vit_explore.labs import (
    changing,
    fgsm,
    high_pass,
    low_pass,
    noise,
    occlude,
    permute,
    rotate,
    scale,
    shift,
    shuffle,
    texture,
)
from vit_explore.labs.base import LabResult, Line, labs
from vit_explore.runs.loaded import LoadedModel, view_of
from vit_explore.sweeps import sweeps
from vit_explore.sweeps.results import Result
from vit_explore.told import Progress

CHANGING = [name for name, lab in labs if lab.axis and lab.needs != "records"]
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


def places(count: int = 12) -> np.ndarray:
    """A square of 16 pixels somewhere in each picture."""
    masks = np.zeros((count, 32, 32), bool)
    for i, mask in enumerate(masks):
        mask[4 * (i % 4) : 4 * (i % 4) + 16, 8:24] = True
    return masks


def subject(model: LoadedModel | None = None, count: int = 12) -> changing.Subject:
    return changing._subject(model or loaded(), *pictures(count), seed=0, masks=places(count))


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
    grey = changing._subject(loaded(), np.full((40, 3, 32, 32), 128, np.uint8), np.zeros(40, int), 0, None)
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


def test_a_vit_without_places_is_said_to_be_unable_to_change_its_answer() -> None:
    images, labels = pictures()
    models = (loaded("blind", pos_embed="none"), loaded("seeing"))
    *_, result = vx.labs.run("shuffle", models, images, labels=labels)
    blind, seeing = result.lines
    assert max(blind.moved) < 1e-4 < 0.1 < max(seeing.moved)
    assert result.findings[0].startswith("blind: no logit of any picture moves by more than ")
    assert "so its answer cannot change" in result.findings[0]
    assert "cannot change" not in result.findings[1]


def test_a_silhouette_is_filled_with_patches_of_another_class() -> None:
    one = subject()
    assert one.masks is not None
    outside = ~one.masks[:, None].expand_as(one.images)
    assert torch.equal(texture.pasted(one, 0), one.images)
    whole = texture.pasted(one, 1)
    assert torch.equal(whole[outside], one.images[outside])  # the background stays
    other = one.kept["other"]
    assert (other != one.labels).all()
    half = texture.pasted(one, 0.5)
    share = (half != one.images).any(1).float().sum() / one.masks.sum()
    assert share == pytest.approx(0.5, abs=0.12)
    kept = (half == whole).all(1) | (half == one.images).all(1)
    assert kept.all()  # what is filled at half is filled alike when all is
    for i in range(3):  # a patch within the silhouette is one of a picture of the other class, from its object
        patch = whole[i, :, 12:16, 12:16]
        found = [
            j for j in range(len(one.images)) for y in range(0, 32, 4) for x in range(0, 32, 4)
            if torch.equal(one.images[j, :, y : y + 4, x : x + 4], patch) and one.masks[j, y : y + 4, x : x + 4].all()
        ]  # fmt: skip
        assert found
        assert all(one.labels[j] == other[i] for j in found)


def test_masks_are_seen_as_the_pictures_are() -> None:
    """A model that sees the middle of each picture, enlarged, has the object there, too."""
    view = view_of(32, vx.ModelConfig(crop=0.7))
    model = dataclasses.replace(loaded(), view=view)
    shown = np.repeat(places()[:, None] * np.uint8(255), 3, axis=1)
    pictured = np.stack([model.seen(one.transpose(1, 2, 0))[..., 0] > 127 for one in shown])
    assert (model.seen_masks(places()) == pictured).all()
    assert not (pictured == places()).all()
    assert (loaded().seen_masks(places()) == places()).all()
    assert torch.equal(subject(model).masks, torch.from_numpy(pictured))


@pytest.mark.parametrize(("change", "side"), [(fgsm.attacked, 224), (occlude.looked_at, 224)])
def test_passes_with_gradients_take_fewer_large_pictures(change: Any, side: int) -> None:
    model = LoadedModel(net(image_size=side, patch_size=56), CLASSES, side, (0.5,) * 3, (0.2,) * 3, "large")
    one, largest = subject(model, 24), 0

    def count(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        nonlocal largest
        largest = max(largest, len(args[0]))

    one.net.register_forward_pre_hook(count)
    change(one, 0.5)
    assert 0 < largest <= 10


def test_texture_or_shape_needs_to_know_where_the_object_is() -> None:
    images, labels = pictures()
    with pytest.raises(
        NotApplicable, match="has to know where the object is in each picture; choose a model of Shapes"
    ):
        list(vx.labs.run("texture", (loaded(),), images, labels=labels))
    with pytest.raises(BadConfig, match="There are 3 masks for 12 pictures"):
        list(vx.labs.run("texture", (loaded(),), images, labels=labels, masks=places(3)))


def top1s(**rows: tuple[tuple[float, float], ...]) -> list[Result]:
    """Results of the sweep `data`: for each model the two seeds of its five sizes."""
    columns = list(dict.fromkeys(cell.column for cell in sweeps.get("data").cells))
    return [
        Result(row, column, seed, top1, None, 100, 1, 1, 1.0, 1, 1.0, "cpu", "fp32", "2026-01-01", "", {})
        for row, sizes in rows.items()
        for column, both in zip(columns, sizes, strict=True)
        for seed, top1 in enumerate(both)
    ]


BEHIND, LEVEL, AHEAD = (0.2, 0.22), (0.3, 0.4), (0.5, 0.52)
RESNET = ((0.3, 0.31), (0.3, 0.31), (0.35, 0.36), (0.4, 0.41), (0.4, 0.41))


@pytest.mark.parametrize(
    ("vit", "words"),
    [
        ((BEHIND, BEHIND, LEVEL, AHEAD, AHEAD), "from 15,000 on the ViT is ahead with every seed"),
        ((BEHIND, AHEAD, AHEAD, LEVEL, LEVEL), "there is no size from which on the ViT is ahead"),
        ((AHEAD,) * 5, "the ViT is ahead at every size"),
    ],
)
def test_where_a_vit_is_ahead_every_seed_is(vit: tuple[tuple[float, float], ...], words: str) -> None:
    results = top1s(ViT=vit, hybrid=vit, ResNet=RESNET)
    (found,) = vx.labs.run("how-much-data", results=results)
    assert isinstance(found, LabResult)
    assert words in found.verdict
    assert found.lines[0].accuracy[0] == pytest.approx(sum(vit[0]) / 2)
    assert (found.lines[0].low[0], found.lines[0].high[0]) == vit[0]


def test_a_sweep_that_is_not_whole_is_one_sentence() -> None:
    whole = top1s(ViT=RESNET, hybrid=RESNET, ResNet=RESNET)
    with pytest.raises(BadData, match="has not finished for the hybrid"):
        list(vx.labs.run("how-much-data", results=[one for one in whole if one.row != "hybrid"]))
    with pytest.raises(BadData, match="no recorded runs"):
        list(vx.labs.run("how-much-data", results=()))


def test_what_is_said_of_data_is_what_was_recorded() -> None:
    (found,) = vx.labs.run("how-much-data")
    assert isinstance(found, LabResult)
    assert len(found.results) == 45
    assert "On 500 images the ResNet has 40.7 %, the ViT 35.4 %; from 5,000 on" in found.verdict
    vit, _, resnet = found.lines
    assert resnet.accuracy[0] - vit.accuracy[0] == pytest.approx(0.05, abs=0.01)  # "ahead by five points"
    assert max(vit.accuracy[2:]) - min(vit.accuracy[2:]) < 0.01  # "more images give no more"


@pytest.mark.parametrize("name", CHANGING)
def test_a_lab_runs_on_a_vit_and_a_resnet(name: str) -> None:
    images, labels = pictures()
    models = (loaded(), loaded("two", architecture="resnet-slim"))
    *told, result = vx.labs.run(name, models, images, labels=labels, masks=places())
    assert isinstance(result, LabResult)
    shares = [step.share for step in told if isinstance(step, Progress)]
    assert shares == sorted(shares)
    assert len(shares) == 2 * len(labs.get(name).levels)
    for line, model in zip(result.lines, models, strict=True):
        with torch.no_grad():
            answers = model.model(changing._subject(model, images, labels, 0, None).images).argmax(1)
        assert line.accuracy[0] == pytest.approx(float((answers.numpy() == labels).mean()))
        assert line.same[0] == 1
        assert line.moved[0] == 0
        assert max(line.moved[1:]) > 0
        assert bool(line.other) == (name == "texture")
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
    assert changing.verdict([a, b]) == "A keeps more of what it knows over all changes: 75 % against 29 % of B."
    assert changing.verdict([b, a]) == changing.verdict([a, b])
    assert changing.verdict([line("A", 0.9, 0.3), line("B", 0.8, 0.6)]).startswith("B keeps more")
    assert changing.verdict([a, line("C", 0.88, 0.68)]).startswith("Both lose alike here")
    assert changing.verdict([a, line("D", 0.1, 0.1)]).startswith("One of them knows nothing")
    assert (
        changing.verdict([a])
        == "A: 90.0 % at first, 70.0 % at the strongest change, 75 % of what it knows beyond chance."
    )
    assert "(chance)" in changing.finding(line("A", 0.9, 0.1))


def test_all_changes_count_and_not_the_strongest_alone() -> None:
    """At the end both know nothing; on the way one of them knew much more."""

    def whole(ref: str, *shares: float) -> Line:
        ends = [changing.wilson(round(share * 1000), 1000) for share in shares]
        low, high = (tuple(end[i] for end in ends) for i in (0, 1))
        return Line(ref, (0.0, 1.0, 2.0), shares, low, high, (1.0, 0.5, 0.2), 0.1, 1000)

    a, b, c = whole("A", 0.9, 0.8, 0.1), whole("B", 0.9, 0.3, 0.1), whole("C", 0.9, 0.7, 0.1)
    assert a.kept == pytest.approx((0.7 / 0.8 + 0) / 2)
    assert changing.verdict([b, a]).startswith("A keeps more of what it knows over all changes: 44 % against 12 % of B")
    assert changing.verdict([a, b, c]).endswith(": 44 % against 37 % of C and 12 % of B.")
    assert "0 % of what it knows beyond chance" in changing.finding(a)


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
