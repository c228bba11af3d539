"""Receptive fields against the closed form: r grows by (k - 1) times the product of the strides before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
from small_models import make, pictures
from torch import nn

import vit_explore as vx
from vit_explore.errors import NotApplicable


def closed_form(layers: list[tuple[int, int]]) -> list[int]:
    """The field after each (kernel, stride)."""
    field, jump, found = 1, 1, []
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
        found.append(field)
    return found


class Chain(nn.Module):
    """Convolutions in a row, each a "feature"."""

    def __init__(self, layers: list[tuple[int, int]]) -> None:
        super().__init__()
        sizes = [3, *([4] * len(layers))]
        self.features = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, 4, k, s, k // 2), nn.BatchNorm2d(4), nn.ReLU())
                for a, (k, s) in zip(sizes, layers, strict=False)
            )
        )
        self.head = nn.Linear(4, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).mean((2, 3)))


@pytest.mark.parametrize(
    "layers", [[(3, 1), (3, 1), (3, 1)], [(3, 1), (5, 2), (3, 2), (3, 1)], [(7, 2), (1, 1), (3, 2)]]
)
def test_the_theoretical_field_is_the_closed_form(layers: list[tuple[int, int]]) -> None:
    torch.manual_seed(0)
    fields = vx.explain.receptive_field(Chain(layers).eval())
    assert fields.theoretical.tolist() == closed_form(layers)
    assert np.isnan(fields.measured).all()


def test_convolutions_without_padding_are_followed_on_wide_canvases_too() -> None:
    """Their maps have not quite the proportions of the picture, by which a layout is told."""
    layers = [(3, 2), (3, 1), (3, 2), (5, 2), (5, 2), (5, 1), (5, 1)]
    net = Chain(layers).eval()
    for block in net.features[:3]:
        block[0].padding = (0, 0)
    fields = vx.explain.receptive_field(net, torch.zeros(1, 3, 96, 96))
    assert fields.theoretical.tolist() == closed_form(layers)
    assert fields.theoretical.max() > 96


def test_a_resnets_field_may_be_larger_than_its_picture() -> None:
    """ResNet-18: 7x7/2, 3x3/2 pool, then two 3x3 convolutions in each of eight blocks, three of them with a stride."""
    blocks = [(3, 1), (3, 1)] * 2 + [(3, 2), (3, 1), (3, 1), (3, 1)] * 3
    expected = closed_form([(7, 2), (3, 2), *blocks])[3::2]
    net = timm.create_model("resnet18", channels=(4, 4, 4, 4), num_classes=7).eval()
    images = torch.randn(1, 3, 64, 64)
    fields = vx.explain.receptive_field(net, images)
    assert fields.layers == tuple(f"layer{i}.{j}" for i in range(1, 5) for j in range(2))
    assert fields.theoretical.tolist() == expected
    assert fields.theoretical[-1] == 435
    assert (fields.measured <= 64).all()


def test_a_norm_over_channels_hides_no_connection() -> None:
    """ConvNeXt: a 4x4/4 stem, 7x7 convolutions in its blocks, 2x2/2 between its stages."""
    net = timm.create_model("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 8, 8, 8), num_classes=7).eval()
    fields = vx.explain.receptive_field(net)
    expected = closed_form([(4, 4), (7, 1), *[(2, 2), (7, 1)] * 3])[1::2]
    assert fields.theoretical.tolist() == expected


def test_branches_that_start_near_nothing_count_in_full() -> None:
    """ConvNeXt's branches are scaled by 1e-6 at first: the products of many were lost in rounding."""
    net = timm.create_model("convnext_atto", dims=(12, 12, 12, 12), num_classes=7).eval()
    fields = vx.explain.receptive_field(net, torch.randn(1, 3, 64, 64))
    chain, expected = [(4, 4)], []
    for stage, depth in enumerate((2, 2, 6, 2)):
        chain += [(2, 2)] * (stage > 0) + [(7, 1)] * depth
        expected.append(closed_form(chain)[-1])
    assert expected[2:] == [736, 1136]
    assert fields.theoretical.tolist() == [*expected[:3], np.inf]


def test_a_small_picture_does_not_bound_what_can_be_told() -> None:
    layers = [(5, 2)] * 7 + [(3, 1)]
    fields = vx.explain.receptive_field(Chain(layers).eval(), torch.randn(1, 3, 32, 32))
    assert fields.theoretical.tolist() == closed_form(layers)
    assert fields.theoretical[-1] == 765


def swin() -> nn.Module:
    return timm.models.SwinTransformer(img_size=64, window_size=4, embed_dim=24, num_heads=(1, 2, 4, 8)).eval()


def mixer() -> nn.Module:
    return timm.models.MlpMixer(img_size=64, patch_size=16, num_blocks=2, embed_dim=24).eval()


@pytest.mark.parametrize(("build", "known"), [(swin, [32]), (mixer, [])])
def test_of_a_model_for_one_size_no_more_is_told_than_its_picture_shows(
    build: Callable[[], nn.Module], known: list[int]
) -> None:
    """Two windows of 4 patches of 4 px, the second of them shifted, reach 32 px; a mixer's layers see the picture."""
    net = build()
    fields = vx.explain.receptive_field(net, torch.randn(1, 3, 64, 64))
    assert fields.theoretical[: len(known)].tolist() == known
    assert np.isnan(fields.theoretical[len(known) :]).all()
    assert (fields.measured > 0).all()
    with pytest.raises(NotApplicable, match="cannot be followed"):
        vx.explain.receptive_field(Refusing([(3, 1)]).eval())


class Refusing(Chain):
    """Takes no picture at all."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("no such size")


def test_a_gate_that_looks_at_the_whole_picture_has_no_edge() -> None:
    class Gated(Chain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x * x.mean((2, 3), keepdim=True).sigmoid())

    fields = vx.explain.receptive_field(Gated([(3, 1)]).eval(), torch.randn(2, 3, 16, 16))
    assert np.isinf(fields.theoretical).all()
    drawn = vx.plots.receptive_field(fields)
    assert "can see more than 1,024 px" in drawn.data[0].text[0]


def test_the_measured_field_is_where_the_gradient_is() -> None:
    """A convolution that reads one pixel only, to the left of its middle, sees one pixel."""
    net = Chain([(5, 1)]).eval()
    with torch.no_grad():
        convolution = net.features[0][0]
        convolution.weight.zero_()
        convolution.weight[:, :, 2, 1] = 1
        convolution.bias.fill_(100)
    fields = vx.explain.receptive_field(net, torch.randn(3, 3, 16, 16))
    assert fields.theoretical.tolist() == [5]
    assert fields.measured.tolist() == [1]
    assert np.unravel_index(fields.maps[0].argmax(), (16, 16)) == (8, 7)


def test_it_lies_within_the_theoretical_one_and_leaves_the_model_alone() -> None:
    net, images = make("our resnet"), pictures("our resnet", 4)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fields = vx.explain.receptive_field(net, images)
    assert (fields.measured <= fields.theoretical).all()
    assert (np.diff(fields.theoretical) >= 0).all()
    assert fields.measured[-1] > fields.measured[0]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not net.training


@pytest.mark.parametrize("kind", ["ours", "visual transformer"])
def test_what_attends_everywhere_has_none(kind: str) -> None:
    with pytest.raises(NotApplicable, match="attends to the whole picture at once; choose a ResNet"):
        vx.explain.receptive_field(make(kind), pictures(kind))
