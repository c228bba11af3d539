"""Which pixels move the logit of this class?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import geometry, has_tokens, name_of
from vit_explore.explain.heatmaps import Question, fits, heat_method, heat_methods
from vit_explore.explain.inputs import check_alone, check_finite, module_of, ready_images, ready_targets
from vit_explore.explain.layers import own_size
from vit_explore.explain.states import differentiable, lock_of, plain_pass, undisturbed
from vit_explore.registry import Registry

__all__ = ["attribution", "attribution_methods", "passes_of"]

CARD = Explanation(
    name="attribution",
    title="Pixel attribution",
    needs="any",
    cost="saliency 3 forward passes; integrated gradients 3 for each of 32 steps; occlusion one for each patch",
    gives="(B, h, w)",
    source=(
        "Sundararajan et al. 2017 (integrated gradients); Lundberg & Lee 2017; Zeiler & Fergus 2014; Simonyan et "
        "al. 2014; by captum"
    ),
    formula=(
        r"\mathrm{IG}_i = (x_i - x'_i) \int_0^1 \frac{\partial y_c}{\partial x_i}\bigl(x' + \alpha (x - "
        r"x')\bigr)\, d\alpha"
    ),
    what_you_see=(
        "How each pixel moves the logit of the class, summed over the colours: positive speaks for it, negative "
        "against. Saliency has no sign."
    ),
    what_to_look_for=(
        "Integrated gradients sum to the logit's change from the baseline. Occlusion is slower and asks the "
        "plainest question: what if this patch were covered?"
    ),
    what_to_beware=(
        "The baseline is the dataset mean: a pixel of that colour gets nothing, whatever it shows. Gradients of "
        "a ViT follow the patch borders. Methods disagree; test them with the faithfulness curves."
    ),
    example='result = vx.explain.attribution(model, images, "integrated_gradients", target=0, steps=16)',
    figure="vx.plots.attribution(result, picture)",
)


Method = Callable[[Question], Tensor]  # to (B, 3, h, w)
methods: Registry[Method] = Registry("attribution method")
_WITHOUT_GRADIENTS = ("occlusion",)
_IN_STEPS = ("integrated_gradients", "gradient_shap", "smooth_grad")
_PACKED = (*_IN_STEPS, "occlusion")  # make one batch of several passes
_NOISE = 0.4  # of SmoothGrad: a tenth of the range that normalised pixels usually have
_SHAP_NOISE = 0.09  # of Gradient SHAP


def attribution(
    model: Any,
    images: Tensor,
    method: str,
    target: int | Tensor | None = None,
    *,
    baseline: float | Tensor = 0.0,
    steps: int = 32,
    seed: int = 0,
    told: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Attribution of the raw logit to the pixels by captum, (B, h, w): signed, summed over the colour channels.

    method: integrated_gradients, gradient_shap, occlusion, input_x_gradient, smooth_grad or saliency (its gradients are
    absolute); nets whose only activation is ReLU also guided_backprop and, where they call each such module once,
    deep_lift. baseline: the image of "nothing" in normalised space, a number or (3, h, w); 0 is the dataset mean.
    steps: points on the path, or samples. occlusion gives each pixel the drop of the logit as its patch is covered.
    told: hears of each pass how many images it had, of `passes_of`. Raises UnknownName, NotApplicable, BadConfig.
    """
    methods.get(method)
    net = module_of(model)
    images = ready_images(net, images)
    if method in _PACKED or len(images) > 1:
        check_alone(net)
    if not fits(heat_methods.get(method).needs, net, images):
        fitting = attribution_methods(net, images)
        raise NotApplicable(
            f"{method} takes {heat_methods.get(method).takes}, and {name_of(net)} is none of these; "
            f"choose one of {', '.join(fitting)}."
        )
    if steps < 1:
        raise BadConfig(f"steps = {steps} is not possible: at least 1 is needed.")
    with torch.no_grad():
        targets = ready_targets(net, plain_pass(net, images), target)
    asked = Question(net, images, targets, _ready_baseline(images, baseline), steps, seed)
    return _heat(method, replace(asked, told=told) if told else asked)


def passes_of(model: Any, images: Tensor, method: str, steps: int = 32) -> int:
    """How many images a method passes through the model in all: what the counts that `told` hears add up to."""
    if method == "occlusion":
        h, w = _window(module_of(model), images)
        return len(images) * (1 + -(-images.shape[2] // h) * -(-images.shape[3] // w))
    return len(images) * (steps if method in _IN_STEPS else 1)


def _heat(method: str, asked: Question) -> np.ndarray:
    """(B, h, w), summed over the colours."""
    net = asked.net
    if method in _PACKED or len(asked.images) > 1:
        check_alone(net)
    with nullcontext() if method in _WITHOUT_GRADIENTS else differentiable(net), undisturbed(net):
        leaf = replace(asked, images=asked.images.clone().requires_grad_(), targets=asked.targets.clone())
        heat = methods.get(method)(leaf).detach().sum(dim=1)
    check_finite(f"The values of {method}", heat)
    return heat.float().cpu().numpy()


def attribution_methods(model: Any, images: Tensor | None = None) -> list[str]:
    """The methods that fit the model: on a ViT, DeepLift is input x gradient and guided backprop is the gradient.

    images: what to ask a ReLU net with, once, (B, 3, h, w); by default an empty one of its own size.
    """
    net = module_of(model)
    if images is None:
        images = ready_images(net, torch.zeros(1, 3, *own_size(model, net)))
    rows = [heat_methods.get(name) for name in methods.names()]
    mixes = getattr(net, "mixes_batch", False)
    return [row.name for row in rows if fits(row.needs, net, images) and not (mixes and row.is_packed)]


def _ready_baseline(images: Tensor, baseline: float | Tensor) -> Tensor:
    value = torch.as_tensor(baseline, device=images.device, dtype=images.dtype)
    shape = tuple(images.shape[1:])
    if tuple(value.shape) not in ((), shape, (1, *shape)):
        raise BadConfig(f"A baseline of shape {tuple(value.shape)} does not fit; give a number or one image {shape}.")
    return value.expand(1, *shape).clone()


def _method(name: str, title: str, about: str, passes: int, *, needs: str = "any", is_fine: bool = True) -> Any:
    """Decorator that files a method under its name, and its row among all heatmaps; the docstring is its source."""

    def add(method: Method) -> Method:
        facts = {"title": title, "about": about, "passes": passes, "needs": needs, "is_fine": is_fine}
        facts["is_packed"] = name in _PACKED
        heat_method(name, source=str(method.__doc__).partition(":")[0], **facts)(partial(_heat, name))
        return methods.register(name)(method)

    return add


@_method(
    "integrated_gradients",
    "Integrated gradients",
    "How the logit builds up on the way from the mean colour to the picture, shared out among the pixels.",
    passes=96,
)
def _integrated_gradients(job: Question) -> Tensor:
    """Sundararajan et al. 2017: the gradient averaged on the straight path from the baseline, times the difference."""
    from captum.attr import IntegratedGradients

    batch = max(len(job.images), _at_once(job.images))
    return IntegratedGradients(job.forward).attribute(
        job.images, job.baseline, target=job.targets, n_steps=job.steps, internal_batch_size=batch
    )


@_method("gradient_shap", "Gradient SHAP", "The same at random points of many noisy ways.", passes=96)
def _gradient_shap(job: Question) -> Tensor:
    """Lundberg & Lee 2017: expected gradients at random points between the noisy image and the baseline.

    As captum's GradientShap, which draws from the global generators and takes all points at once; drawn in single
    precision, and the model rounds the points to its own.
    """
    single, baseline = _at_least_single(job)
    images = single.detach()
    total, draw = torch.zeros_like(images), torch.Generator().manual_seed(job.seed)
    for noisy in _noisy(images, job, _SHAP_NOISE, draw):  # (few, B, 3, h, w)
        away = noisy - baseline
        share = torch.rand((*noisy.shape[:2], 1, 1, 1), generator=draw).to(noisy)
        total = total + (away * _gradients(job, baseline + share * away)).sum(dim=0)
    return total / job.steps


@_method("occlusion", "Occlusion", "How far the logit falls as one patch is covered.", passes=64, is_fine=False)
def _occlusion(job: Question) -> Tensor:
    """Zeiler & Fergus 2014: the drop of the logit as a patch (a ViT's own, else an eighth of the side) is covered."""
    from captum.attr import Occlusion

    window = _window(job.net, job.images)
    with torch.no_grad():
        drop = Occlusion(job.forward).attribute(
            job.images,
            (3, *window),
            strides=(3, *window),
            baselines=job.baseline,
            target=job.targets,
            perturbations_per_eval=max(1, _at_once(job.images) // len(job.images)),
        )
    return drop / 3  # captum credits each of the three channels with all of it


@_method("input_x_gradient", "Input × gradient", "A straight line's guess of what each pixel adds.", passes=3)
def _input_x_gradient(job: Question) -> Tensor:
    """Shrikumar et al. 2016: (image - baseline) times the gradient."""
    from captum.attr import Saliency

    return (job.images - job.baseline).detach() * Saliency(job.forward).attribute(job.images, job.targets, abs=False)


@_method(
    "smooth_grad",
    "SmoothGrad",
    "Input × gradient, with the gradient averaged over noisy copies of the picture.",
    passes=96,
)
def _smooth_grad(job: Question) -> Tensor:
    """Smilkov et al. 2017: (image - baseline) times the gradient's mean over `steps` noisy copies."""
    images = _at_least_single(job)[0].detach()
    total, draw = torch.zeros_like(images), torch.Generator().manual_seed(job.seed)
    for noisy in _noisy(images, job, _NOISE, draw):
        total = total + _gradients(job, noisy).sum(dim=0)
    return (job.images - job.baseline).detach() * (total / job.steps)


def _noisy(images: Tensor, job: Question, spread: float, draw: torch.Generator) -> Iterator[Tensor]:
    """`steps` noisy copies of the images, a few at a time, (few, B, 3, h, w); the same on every device."""
    few = max(1, _at_once(images) // len(images))
    for first in range(0, job.steps, few):
        noise = torch.randn((min(few, job.steps - first), *images.shape), generator=draw)
        yield images + spread * noise.to(images)


def _gradients(job: Question, points: Tensor) -> Tensor:
    """Of the logit of each image's class, at points (n, B, 3, h, w)."""
    from captum.attr import Saliency

    flat = points.detach().flatten(0, 1).requires_grad_()
    found = Saliency(job.forward).attribute(flat, job.targets.repeat(len(points)), abs=False)
    return found.detach().view_as(points)


@_method("saliency", "Saliency", "How steep the logit is in each pixel, in either direction.", passes=3)
def _saliency(job: Question) -> Tensor:
    """Simonyan et al. 2014: the absolute gradient."""
    from captum.attr import Saliency

    return Saliency(job.forward).attribute(job.images, job.targets, abs=True)


@_method(
    "deep_lift",
    "DeepLift",
    "Differences from the mean colour, passed back layer by layer.",
    passes=4,
    needs="single ReLUs",
)
def _deep_lift(job: Question) -> Tensor:
    """Shrikumar et al. 2017: rescale rule, which divides by differences: never in less than single precision.

    The values sum to the logit's change from the baseline; behind max pools captum's may miss a part of it.
    """
    from captum.attr import DeepLift

    images, baseline = _at_least_single(job)
    twin = _copy_for_hooks(job.net).to(images.dtype)
    with torch.autocast(images.device.type, enabled=False):
        return DeepLift(twin).attribute(images, baseline, target=job.targets)


@_method(
    "guided_backprop",
    "Guided backprop",
    "Gradients that pass each ReLU only where they speak for the class.",
    passes=3,
    needs="ReLU",
)
def _guided_backprop(job: Question) -> Tensor:
    """Springenberg et al. 2015: gradients that pass only where they are positive at each ReLU."""
    from captum.attr import GuidedBackprop

    return GuidedBackprop(_copy_for_hooks(job.net)).attribute(job.images, target=job.targets)


def _window(net: nn.Module, images: Tensor) -> tuple[int, int]:
    """What is covered at once, in pixels."""
    h, w = images.shape[2:]
    return geometry(net).patch_size if has_tokens(net) else (max(1, h // 8), max(1, w // 8))


def _at_once(images: Tensor) -> int:
    """Images of a pass: fewer large ones, so that a slow model says how far it is."""
    return max(2, min(32, 2**18 // (images.shape[2] * images.shape[3])))


def _at_least_single(job: Question) -> tuple[Tensor, Tensor]:
    """Images, as a leaf that bears gradients, and baseline, in float32 where they are half precision."""
    dtype = torch.promote_types(job.images.dtype, torch.float32)
    return job.images.detach().to(dtype).requires_grad_(), job.baseline.to(dtype)


def _copy_for_hooks(net: nn.Module) -> nn.Module:
    """A copy that captum may hook, so that no other pass meets its hooks, which do not bear in-place activations."""
    with lock_of(net):
        twin: Any = copy.deepcopy(net)
    for module in twin.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return twin
