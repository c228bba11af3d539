"""Grad-CAM, attribution and faithfulness: what explains the output at the pixels."""

from __future__ import annotations

import copy
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from captum.attr import DeepLift, GradientShap, GuidedBackprop, InputXGradient, NoiseTunnel, Saliency
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from small_models import make, pictures
from torch import Tensor, nn

import vit_explore as vx
from vit_explore.errors import BadConfig, NotApplicable, UnknownName, VitExploreWarning


def stretched(maps: np.ndarray) -> np.ndarray:
    """Each map scaled to [0, 1], as pytorch-grad-cam does; one without any contrast is 0."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return (maps - low) / np.where(high > low, high - low, 1)


# --- Grad-CAM -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "layer", "grid"), [
    ("class token", "blocks.1.norm1", (4, 4)),
    ("not square", "blocks.1.norm1", (2, 3)),
    ("registers and class token", "blocks.0", (4, 4)),
    ("pooled", "norm", (4, 4)),
    ("ours", "blocks.1.norm1", (8, 8)),
    ("resnet", "layer4", None),
    ("resnet", "layer1", None),
    ("our resnet", "layer4", None),
])  # fmt: skip
def test_grad_cam_equals_pytorch_grad_cam(kind: str, layer: str, grid: tuple[int, int] | None) -> None:
    images, targets = pictures(kind), [3, 5]

    def to_map(tokens: Tensor) -> Tensor:
        assert grid is not None
        n = grid[0] * grid[1]
        return tokens[:, -n:].reshape(len(tokens), *grid, -1).permute(0, 3, 1, 2)

    reference_net = make(kind)
    for module in reference_net.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    with GradCAM(
        reference_net, [reference_net.get_submodule(layer)], reshape_transform=to_map if grid else None
    ) as cam:
        reference = cam(images.clone().requires_grad_(), [ClassifierOutputTarget(t) for t in targets])
    ours = vx.explain.grad_cam(make(kind), images, torch.tensor(targets), layer)
    assert reference.max() > 0.9
    np.testing.assert_allclose(stretched(ours), stretched(reference), atol=2e-3)


@pytest.mark.parametrize(("kind", "layer"), [
    ("class token", "blocks.1.norm1"), ("ours", "blocks.1.norm1"), ("distilled", "blocks.1.norm1"), ("pooled", "norm"),
    ("pooled beside a class token", "norm"), ("ours, pooled, registers, sincos", "norm"), ("resnet", "layer4"),
])  # fmt: skip
def test_the_default_layer_is_the_last_that_matters(kind: str, layer: str) -> None:
    net, images = make(kind), pictures(kind)
    heat = vx.explain.grad_cam(net, images)
    np.testing.assert_array_equal(heat, vx.explain.grad_cam(net, images, layer=layer))
    np.testing.assert_allclose(heat.max((1, 2)), 1)
    assert heat.min() >= 0
    assert heat.shape == (len(images), *images.shape[2:])


def test_the_last_blocks_patches_have_no_gradient_with_a_class_token() -> None:  # why the default is what it is
    with pytest.warns(VitExploreWarning, match=r"'blocks\.1' is 0 everywhere for 2 of 2 images.*nothing there changes"):
        heat = vx.explain.grad_cam(make("class token"), pictures("class token"), layer="blocks.1")
    assert not heat.any()


class Dark(nn.Module):
    """Two classes; the features are the image's own, the first logit their mean, the second its opposite."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Conv2d(3, 1, 1, bias=False)
        nn.init.ones_(self.stage.weight)

    def forward(self, images: Tensor) -> Tensor:
        mean = self.stage(images).mean((1, 2, 3))
        return torch.stack([mean, -mean], 1)


def test_a_map_without_any_evidence_says_so() -> None:
    images = torch.ones(3, 3, 8, 8)
    with warnings.catch_warnings(action="error"):
        assert (vx.explain.grad_cam(Dark(), images, 0, "stage") == 1).all()
    with pytest.warns(VitExploreWarning, match=r"3 of 3 images, since no place there speaks for the class"):
        assert not vx.explain.grad_cam(Dark(), images, 1, "stage").any()
    with pytest.warns(VitExploreWarning, match=r"1 of 3 images") as caught:
        heat = vx.explain.grad_cam(Dark(), images, torch.tensor([0, 1, 0]), "stage")
    assert heat.any((1, 2)).tolist() == [True, False, True]
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("layer", "words"), [
    ("block.1.norm1", r"no layer 'block\.1\.norm1'.*blocks\."),
    ("head", "no map of places"),
    ("patch_drop.nothing", "no layer"),
    ("blocks.1.attn.attn_drop", "gives no tensor"),  # the fused path never calls it
])  # fmt: skip
def test_a_layer_without_a_map_is_refused(layer: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        vx.explain.grad_cam(make("class token"), pictures("class token"), layer=layer)


def test_a_layer_that_is_changed_in_place_afterwards_is_seen_as_it_was() -> None:
    class Copy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.clone()

    images, net = pictures("resnet"), make("resnet")  # timm adds the shortcut in place to what bn2 gives
    heat = vx.explain.grad_cam(net, images, 2, "layer2.1.bn2")
    net.layer2[1].bn2 = nn.Sequential(net.layer2[1].bn2, Copy())
    np.testing.assert_allclose(heat, vx.explain.grad_cam(net, images, 2, "layer2.1.bn2.0"), atol=1e-5)
    with GradCAM(net, [net.layer2[1].bn2[0]]) as cam:
        reference = cam(images.clone().requires_grad_(), [ClassifierOutputTarget(2)] * 2)
    np.testing.assert_allclose(stretched(heat), stretched(reference), atol=2e-3)


def test_swins_channels_last_maps_are_understood() -> None:
    net = timm.create_model(
        "swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1), embed_dim=24, num_heads=(1, 1, 1, 1), img_size=64,
        window_size=2, num_classes=3,
    ).eval()  # fmt: skip
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with GradCAM(net, [net.layers[2]], reshape_transform=lambda t: t.permute(0, 3, 1, 2)) as cam:
        nn.init.normal_(net.head.fc.weight)
        reference = cam(images.clone().requires_grad_(), [ClassifierOutputTarget(1)])
    heat = vx.explain.grad_cam(net, images, 1, "layers.2")
    np.testing.assert_allclose(stretched(heat), stretched(reference), atol=2e-3)
    assert vx.explain.grad_cam(net, images, 1).shape == (1, 64, 64)


# --- attribution ----------------------------------------------------------------------------------------------------

EVERYWHERE = ["integrated_gradients", "gradient_shap", "occlusion", "input_x_gradient", "smooth_grad", "saliency"]
DRAWN = ("gradient_shap", "smooth_grad")  # their samples differ in a batch
OF_RELU_NETS = ["deep_lift", "guided_backprop"]


def logit_change(net: nn.Module, images: Tensor, target: int) -> np.ndarray:
    with torch.no_grad():
        return (net(images)[:, target] - net(torch.zeros_like(images))[:, target]).numpy()


@pytest.mark.parametrize("kind", ["ours", "class token", "our resnet"])
def test_integrated_gradients_sum_to_the_change_of_the_logit(kind: str) -> None:
    net, images = make(kind), 0.3 * pictures(kind)
    heat = vx.explain.attribution(net, images, "integrated_gradients", 2, steps=50)
    change = logit_change(net, images, 2)
    assert np.abs(change).max() > 0.05
    np.testing.assert_allclose(heat.sum((1, 2)), change, atol=0.05 * np.abs(change).max())


def test_deep_lift_sums_to_the_change_of_the_logit() -> None:
    net, images = make("our resnet"), pictures("our resnet")
    heat = vx.explain.attribution(net, images, "deep_lift", 2)
    np.testing.assert_allclose(heat.sum((1, 2)), logit_change(net, images, 2), atol=1e-3)


@pytest.mark.parametrize("name", [*EVERYWHERE, *OF_RELU_NETS])
def test_no_method_takes_more_pictures_at_once_than_memory_holds(name: str) -> None:
    """16 pictures of 32 points each would be 512 in one pass with gradients: 17 GB for a small ViT at 224 px."""
    net, largest = make("our resnet"), 0
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def count(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        nonlocal largest
        largest = max(largest, len(args[0]))

    net.register_forward_pre_hook(count)
    vx.explain.attribution(net, images, name, 2, steps=32)
    assert 0 < largest <= 32


def test_a_mean_over_parts_is_the_mean_over_all() -> None:
    """Gradient SHAP takes a few points at a time; with many points the parts come to what all at once come to."""
    net, images = make("ours"), 0.3 * pictures("ours")
    few = vx.explain.attribution(net, images[:1], "gradient_shap", 2, steps=1)
    parts = vx.explain.attribution(net, images[:1].expand(24, -1, -1, -1), "gradient_shap", 2, steps=48)
    whole = vx.explain.attribution(net, images[:1], "gradient_shap", 2, steps=960)
    spread = np.abs(few - whole).mean()
    assert np.abs(parts.mean(0) - whole[0]).mean() < 0.25 * spread


def test_a_baseline_of_ones_is_the_image_of_nothing() -> None:
    net, images = make("ours"), torch.ones(1, 3, 32, 32)
    assert not vx.explain.attribution(net, images, "integrated_gradients", 0, baseline=1.0).any()
    assert not vx.explain.attribution(net, images, "integrated_gradients", 0, baseline=torch.ones(3, 32, 32)).any()
    with pytest.raises(BadConfig, match="baseline"):
        vx.explain.attribution(net, images, "occlusion", baseline=torch.ones(3, 8, 8))


@pytest.mark.parametrize(("kind", "size", "patch"), [
    ("not square", (32, 48), 16), ("ours", (32, 32), 4), ("resnet", (44, 44), 5),  # 8 windows of 5 px and a rest of 4
])  # fmt: skip
@pytest.mark.parametrize("nothing", [0.0, 0.7])
def test_occlusion_is_the_drop_of_the_logit_as_each_patch_is_covered(
    kind: str, size: tuple[int, int], patch: int, nothing: float
) -> None:
    net, images = make(kind), torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(4))
    heat = vx.explain.attribution(net, images, "occlusion", torch.tensor([4, 1]), baseline=nothing)
    for top in range(0, size[0], patch):
        for left in range(0, size[1], patch):
            covered = images.clone()
            covered[:, :, top : top + patch, left : left + patch] = nothing
            with torch.no_grad():
                drop = (net(images) - net(covered))[[0, 1], [4, 1]].numpy()
            cell = heat[:, top : top + patch, left : left + patch]
            np.testing.assert_allclose(cell, np.broadcast_to(drop[:, None, None], cell.shape), atol=1e-5)
    assert np.ptp(heat) > 1e-2


def test_gradients_are_those_of_the_logit() -> None:
    net, images = make("class token"), pictures("class token")
    leaf = images.clone().requires_grad_()
    gradient = torch.autograd.grad(net(leaf)[:, 6].sum(), leaf)[0]
    saliency = vx.explain.attribution(net, images, "saliency", 6)
    np.testing.assert_allclose(saliency, gradient.abs().sum(1).numpy(), rtol=1e-4, atol=1e-7)
    product = vx.explain.attribution(net, images, "input_x_gradient", 6)
    expected = InputXGradient(net).attribute(images.clone().requires_grad_(), 6).sum(1).detach().numpy()
    np.testing.assert_allclose(product, expected, rtol=1e-4, atol=1e-6)
    assert product.min() < 0  # signed


def test_guided_backprop_equals_captums() -> None:
    twin = make("resnet")
    for module in twin.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    images = pictures("resnet")
    expected = GuidedBackprop(twin).attribute(images.clone().requires_grad_(), 1).sum(1).detach().numpy()
    np.testing.assert_allclose(
        vx.explain.attribution(make("resnet"), images, "guided_backprop", 1), expected, atol=1e-6
    )


@pytest.mark.parametrize("method", DRAWN)
def test_what_is_drawn_is_seeded_and_leaves_the_generators_alone(method: str) -> None:
    net, images = make("ours"), pictures("ours", batch=1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    a = vx.explain.attribution(net, images, method, seed=3, steps=4)
    b = vx.explain.attribution(net, images, method, seed=3, steps=4)
    c = vx.explain.attribution(net, images, method, seed=4, steps=4)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])


@pytest.mark.parametrize("method", DRAWN)
def test_what_is_drawn_comes_to_what_captum_draws(method: str) -> None:
    """Ours is no further from captum's than captum's is from itself with other numbers."""
    net, images = make("ours"), 0.3 * pictures("ours")
    targets, many = torch.tensor([1, 4]), 128

    def captums(seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        np.random.seed(seed)
        leaf = images.clone().requires_grad_()
        if method == "gradient_shap":
            heat = GradientShap(net).attribute(leaf, images[:1] * 0, n_samples=many, stdevs=0.09, target=targets)
        else:
            tunnel = {"nt_type": "smoothgrad", "nt_samples": many, "nt_samples_batch_size": 16, "stdevs": 0.4}
            heat = images * NoiseTunnel(Saliency(net)).attribute(leaf, target=targets, abs=False, **tunnel)
        return heat.sum(1).detach().numpy()

    ours, one, other = vx.explain.attribution(net, images, method, targets, steps=many), captums(0), captums(1)
    assert np.abs(ours - one).mean() < 1.3 * np.abs(one - other).mean()
    assert np.corrcoef(ours.ravel(), (one + other).ravel())[0, 1] > 0.7


@pytest.mark.parametrize("method", DRAWN)
def test_what_is_drawn_is_the_same_while_other_threads_draw(method: str) -> None:
    net, images = make("ours"), pictures("ours", batch=1)
    alone = vx.explain.attribution(net, images, method, 2, seed=3, steps=8)

    def ask(i: int) -> np.ndarray | None:
        if i % 2:
            torch.rand(100), np.random.rand(100)
            vx.create_model(vx.ModelConfig(width=16, depth=1, num_heads=2))
            return None
        return vx.explain.attribution(copy.deepcopy(net), images, method, 2, seed=3, steps=8)

    with ThreadPoolExecutor(6) as pool:
        found = [heat for heat in pool.map(ask, range(36)) if heat is not None]
    for heat in found:
        np.testing.assert_allclose(heat, alone, atol=1e-6)


@pytest.mark.parametrize("method", [m for m in EVERYWHERE if m not in DRAWN])
def test_each_image_has_its_own_target(method: str) -> None:
    net, images = make("ours"), pictures("ours")
    both = vx.explain.attribution(net, images, method, torch.tensor([1, 4]), steps=8)
    for i, target in enumerate((1, 4)):
        alone = vx.explain.attribution(net, images[i : i + 1], method, target, steps=8)[0]
        np.testing.assert_allclose(both[i], alone, atol=1e-5)


def small_cnn() -> nn.Module:
    torch.manual_seed(0)
    return vx.create_model(vx.ModelConfig(architecture="cnn-small", num_classes=7)).eval()


def alexnet() -> nn.Module:
    torch.manual_seed(0)
    return vx.create_model(vx.ModelConfig(architecture="alexnet", image_size=64, num_classes=7)).eval()


@pytest.mark.parametrize(("build", "side"), [(small_cnn, 32), (alexnet, 64)])
def test_every_net_of_relus_alone_takes_deep_lift_and_guided_backprop(build: Any, side: int) -> None:
    net, images = build(), torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2))
    assert set(vx.explain.attribution_methods(net)) == {*EVERYWHERE, *OF_RELU_NETS}
    expected = DeepLift(build()).attribute(images, torch.zeros_like(images), 2).sum(1).detach().numpy()
    np.testing.assert_allclose(vx.explain.attribution(net, images, "deep_lift", 2), expected, atol=1e-6)
    assert np.abs(expected).max() > 1e-5
    expected = GuidedBackprop(build()).attribute(images.clone().requires_grad_(), 2).sum(1).detach().numpy()
    np.testing.assert_allclose(vx.explain.attribution(net, images, "guided_backprop", 2), expected, atol=1e-6)


def test_deep_lift_is_refused_where_a_relu_is_used_again() -> None:
    """torchvision's ResNet has one ReLU a block and calls it twice, which captum cannot follow."""
    torch.manual_seed(0)
    net, images = torchvision.models.resnet18(num_classes=7).eval(), torch.randn(1, 3, 32, 32)
    assert set(vx.explain.attribution_methods(net)) == {*EVERYWHERE, "guided_backprop"}
    with pytest.raises(NotApplicable, match=r"each module of which is called once .* guided_backprop"):
        vx.explain.attribution(net, images, "deep_lift")
    ranking = vx.trust.rank(net, images, steps=2, sanity_images=0)
    assert "guided_backprop" in {score.method for score in ranking.scores}


class Functional(nn.Sequential):
    """A ReLU as a module, and one as a function, as torchvision's DenseNet has it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self[:-1]:
            x = module(x)
        return self[-1](torch.relu(x).flatten(1))


def test_relus_that_are_called_as_functions_are_seen() -> None:
    net = Functional(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Linear(4 * 28 * 28, 3)).eval()
    assert set(vx.explain.attribution_methods(net, torch.zeros(1, 3, 32, 32))) == set(EVERYWHERE)


def test_a_net_whose_size_is_not_known_is_asked_with_images_or_one_sentence() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 3)).eval()
    with pytest.raises(BadConfig, match="give images of its size"):
        vx.explain.attribution_methods(net)
    images = torch.randn(2, 3, 32, 32)
    assert "deep_lift" in vx.explain.attribution_methods(net, images)
    assert vx.explain.attribution(net, images, "saliency").shape == (2, 32, 32)


@pytest.mark.parametrize("name", ["seresnet18", "skresnet18", "resnest14d"])
def test_a_gate_beside_the_relus_is_no_relu_net(name: str) -> None:
    net = timm.create_model(name, num_classes=7).eval()
    assert set(vx.explain.attribution_methods(net, torch.zeros(1, 3, 64, 64))) == set(EVERYWHERE)


def test_a_transformer_of_relus_is_no_relu_net() -> None:
    net = vx.create_model(vx.ModelConfig(architecture="report-vit", depth=1, width=16, num_heads=2)).eval()
    assert set(vx.explain.attribution_methods(net)) == set(EVERYWHERE)


def test_methods_by_model() -> None:
    assert set(vx.explain.attribution_methods(make("resnet"))) == {*EVERYWHERE, *OF_RELU_NETS}
    assert set(vx.explain.attribution_methods(make("ours"))) == set(EVERYWHERE)
    for method in OF_RELU_NETS:
        with pytest.raises(NotApplicable, match="integrated_gradients"):
            vx.explain.attribution(make("ours"), pictures("ours"), method)
    with pytest.raises(UnknownName, match=r"did you mean 'occlusion'.*integrated_gradients"):
        vx.explain.attribution(make("ours"), pictures("ours"), "oclusion")
    with pytest.raises(BadConfig, match="steps"):
        vx.explain.attribution(make("ours"), pictures("ours"), "saliency", steps=0)


@pytest.mark.parametrize("kind", ["ours", "our resnet"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_each_method_takes_each_precision_and_agrees_with_single(kind: str, dtype: torch.dtype) -> None:
    net, images = make(kind), pictures(kind)
    other = make(kind).to(dtype)
    for method in vx.explain.attribution_methods(net):
        exact = vx.explain.attribution(net, images, method, 2, steps=8)
        rough = vx.explain.attribution(other, images, method, 2, steps=8)
        likeness = np.corrcoef(exact.ravel(), rough.ravel())[0, 1]
        assert likeness > (0.9999 if dtype == torch.float64 else 0.9), method


def test_deep_lift_of_half_precision_weights_sums_to_the_change_of_the_logit() -> None:
    net, images = make("our resnet").half(), pictures("our resnet")
    heat = vx.explain.attribution(net, images, "deep_lift", 2)
    exact = copy.deepcopy(net).float()  # of the same rounded weights
    np.testing.assert_allclose(heat.sum((1, 2)), logit_change(exact, images.half().float(), 2), atol=1e-3)


@pytest.mark.parametrize("kind", ["resnet", "our resnet"])
def test_under_autocast_every_method_answers(kind: str) -> None:
    net, images = make(kind), pictures(kind)
    alone = vx.explain.attribution(net, images, "deep_lift", 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_allclose(vx.explain.attribution(net, images, "deep_lift", 2), alone, atol=0.05)
        for method in vx.explain.attribution_methods(net):
            assert np.isfinite(vx.explain.attribution(net, images, method, 2, steps=4)).all()


def test_what_overflows_is_not_silent() -> None:
    net, images = make("ours").half(), pictures("ours")
    with torch.no_grad():
        net.head.weight.mul_(1e6).clamp_(-6e4, 6e4)
    for question in (
        lambda: vx.explain.attribution(net, images, "saliency", 2), lambda: vx.explain.grad_cam(net, images, 2),
        lambda: vx.explain.relevance(net, images, 2), lambda: vx.explain.attention_maps(net, images),
    ):  # fmt: skip
        with pytest.raises(BadConfig, match=r"not all finite.*float16.*model\.float\(\)"):
            question()


@pytest.mark.parametrize("kind", ["ours", "resnet"])
def test_a_model_made_in_inference_mode_says_why_it_has_no_gradients(kind: str) -> None:
    with torch.inference_mode():
        net = make(kind)
    twin, images = make(kind), pictures(kind)
    for question in (
        lambda: vx.explain.grad_cam(net, images, 1), lambda: vx.explain.attribution(net, images, "saliency", 1),
    ):  # fmt: skip
        with pytest.raises(BadConfig, match=r"made inside torch\.inference_mode\(\).*outside"):
            question()
    covered = [vx.explain.attribution(model, images, "occlusion", 1) for model in (net, twin)]  # asks for no gradient
    np.testing.assert_allclose(*covered, atol=1e-5)


# --- faithfulness ---------------------------------------------------------------------------------------------------


class Counter(nn.Module):
    """Two classes; the logit of the first is how many of the upper half's pixels are lit, so the truth is known."""

    def forward(self, images: Tensor) -> Tensor:
        lit = images[:, 0, :8].sum((1, 2)) / 16
        return torch.stack([lit, torch.zeros_like(lit)], 1)


def truth() -> np.ndarray:
    return np.repeat(np.array([[1.0], [0.0]]), 16, axis=1)  # (2, 16), enlarged to (16, 16)


def test_curves_of_a_known_model() -> None:
    result = vx.explain.faithfulness(Counter(), torch.ones(3, 16, 16), truth())
    assert result.target == 0
    np.testing.assert_allclose(np.diff(result.fractions), 1 / 64)
    assert (result.fractions[0], result.fractions[-1]) == (0, 1)
    gone = np.minimum(result.fractions * 256, 128) / 16  # the upper half goes first, pixel by pixel
    np.testing.assert_allclose(result.deletion, 1 / (1 + np.exp(-(8 - gone))), rtol=1e-5)
    np.testing.assert_allclose(result.insertion, 1 / (1 + np.exp(-gone)), rtol=1e-5)
    assert result.deletion_auc == pytest.approx(np.trapezoid(result.deletion, result.fractions), abs=1e-6)
    assert result.insertion_auc == pytest.approx(np.trapezoid(result.insertion, result.fractions), abs=1e-6)
    assert "mean" in result.baseline


def test_the_truth_beats_random_and_random_beats_its_opposite() -> None:
    image, rng = torch.ones(3, 16, 16), np.random.default_rng(0)
    good, bad = (vx.explain.faithfulness(Counter(), image, h) for h in (truth(), -truth()))
    random = vx.explain.faithfulness(Counter(), image, rng.random((16, 16)))
    assert good.deletion_auc < random.deletion_auc < bad.deletion_auc
    assert good.insertion_auc > random.insertion_auc > bad.insertion_auc


@pytest.mark.parametrize("kind", ["ours", "resnet", "not square"])
def test_curves_begin_and_end_with_the_image_and_the_mean(kind: str) -> None:
    net, image = make(kind), pictures(kind, batch=1)
    result = vx.explain.faithfulness(net, image, np.random.default_rng(0).random((4, 4)), target=3, batch_size=50)
    with torch.no_grad():
        whole, mean = (float(F.softmax(net(x), 1)[0, 3]) for x in (image, torch.zeros_like(image)))
    assert (result.deletion[0], result.deletion[-1]) == pytest.approx((whole, mean), abs=1e-5)
    assert (result.insertion[0], result.insertion[-1]) == pytest.approx((mean, whole), abs=1e-5)
    assert np.diff(result.fractions).max() <= 1 / 64 + 1e-6
    again = vx.explain.faithfulness(net, image[0], np.random.default_rng(0).random((4, 4)), target=3, batch_size=7)
    np.testing.assert_allclose(again.deletion, result.deletion, atol=1e-5)


def test_steps_are_at_most_a_64th_also_where_64_does_not_divide() -> None:
    result = vx.explain.faithfulness(Counter(), torch.ones(3, 15, 10), np.zeros((15, 10)))
    assert np.diff(result.fractions).max() <= 1 / 64
    assert result.fractions[-1] == 1


def test_equal_heat_goes_in_a_random_but_repeatable_order() -> None:
    image, flat = torch.ones(3, 16, 16), np.zeros((16, 16))
    a, b = (vx.explain.faithfulness(Counter(), image, flat) for _ in range(2))
    np.testing.assert_array_equal(a.deletion, b.deletion)
    half = a.deletion[32]  # with half the pixels gone, about half of the upper ones are: 8 * (1 - 1/2) = 4
    assert half == pytest.approx(1 / (1 + np.exp(-4)), abs=0.02)


@pytest.mark.parametrize(("change", "words"), [
    ({"image": torch.ones(2, 3, 16, 16)}, "one image"),
    ({"heatmap": np.zeros((32, 32))}, "heatmap"),
    ({"heatmap": np.full((16, 16), np.nan)}, "finite"),
    ({"heatmap": np.zeros(16)}, "heatmap"),
    ({"steps": 10}, "64 steps"),
    ({"target": 2}, "classes are 0 to 1"),
])  # fmt: skip
def test_faithfulness_refuses_what_does_not_fit(change: dict[str, Any], words: str) -> None:
    arguments = {"image": torch.ones(3, 16, 16), "heatmap": truth(), **change}
    with pytest.raises(BadConfig, match=words):
        vx.explain.faithfulness(Counter(), **arguments)
