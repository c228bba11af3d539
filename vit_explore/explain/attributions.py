"""Which pixels move the logit of this class?"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.capture import differentiable, lock_of, plain_pass, undisturbed
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.geometry import geometry, has_tokens, name_of
from vit_explore.explain.inputs import check_finite, module_of, ready_images, ready_targets
from vit_explore.registry import Registry

__all__ = ["attribution", "attribution_methods"]

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


@dataclass(frozen=True)
class Job:
    """What a method gets: the model, images (B, 3, h, w), the class of each, a baseline (1, 3, h, w), the effort."""

    net: nn.Module
    images: Tensor
    targets: Tensor
    baseline: Tensor
    steps: int
    seed: int


Method = Callable[[Job], Tensor]
methods: Registry[Method] = Registry("attribution method")
_RESNETS_ONLY = ("deep_lift", "guided_backprop")
_WITHOUT_GRADIENTS = ("occlusion",)
_RANDOM = threading.Lock()  # captum draws from the global generators, which are seeded and put back


def attribution(
    model: Any,
    images: Tensor,
    method: str,
    target: int | Tensor | None = None,
    *,
    baseline: float | Tensor = 0.0,
    steps: int = 32,
    seed: int = 0,
) -> np.ndarray:
    """Attribution of the raw logit to the pixels by captum, (B, h, w): signed, summed over the colour channels.

    method: integrated_gradients, gradient_shap, occlusion, input_x_gradient or saliency (its gradients are absolute);
    ResNets also deep_lift and guided_backprop. baseline: the image of "nothing" in normalised space, a number or (3, h,
    w); 0 is the dataset mean. steps: points on the path, or samples. occlusion gives each pixel the drop of the logit
    as its patch is covered. Raises UnknownName, NotApplicable, BadConfig.
    """
    run = methods.get(method)
    net = module_of(model)
    if method not in attribution_methods(net):
        raise NotApplicable(
            f"{method} handles ReLU networks only, and on {name_of(net)} would repeat a plainer method; "
            f"choose one of {', '.join(attribution_methods(net))}."
        )
    if steps < 1:
        raise BadConfig(f"steps = {steps} is not possible: at least 1 is needed.")
    images = ready_images(net, images)
    with torch.no_grad():
        targets = ready_targets(net, plain_pass(net, images), target)
    with nullcontext() if method in _WITHOUT_GRADIENTS else differentiable(net), undisturbed(net):
        job = Job(net, images.clone().requires_grad_(), targets.clone(), _ready_baseline(images, baseline), steps, seed)
        heat = run(job).detach().sum(dim=1)
    check_finite(f"The values of {method}", heat)
    return heat.float().cpu().numpy()


def attribution_methods(model: Any) -> list[str]:
    """The methods that fit the model: on a ViT, DeepLift is input x gradient and guided backprop is the gradient."""
    net = module_of(model)
    is_resnet = hasattr(net, "layer1") and hasattr(net, "layer4") and any(isinstance(m, nn.ReLU) for m in net.modules())
    return [name for name in methods.names() if is_resnet or name not in _RESNETS_ONLY]


def _ready_baseline(images: Tensor, baseline: float | Tensor) -> Tensor:
    value = torch.as_tensor(baseline, device=images.device, dtype=images.dtype)
    shape = tuple(images.shape[1:])
    if tuple(value.shape) not in ((), shape, (1, *shape)):
        raise BadConfig(f"A baseline of shape {tuple(value.shape)} does not fit; give a number or one image {shape}.")
    return value.expand(1, *shape).clone()


@methods.register("integrated_gradients")
def _integrated_gradients(job: Job) -> Tensor:
    """Sundararajan et al. 2017: the gradient averaged on the straight path from the baseline, times the difference."""
    from captum.attr import IntegratedGradients

    batch = max(len(job.images), 32)
    return IntegratedGradients(job.net).attribute(
        job.images, job.baseline, target=job.targets, n_steps=job.steps, internal_batch_size=batch
    )


@methods.register("gradient_shap")
def _gradient_shap(job: Job) -> Tensor:
    """Lundberg & Lee 2017: expected gradients at random points between the noisy image and the baseline.

    captum draws its points in single precision or better, and the model rounds them to its own.
    """
    from captum.attr import GradientShap

    images, baseline = _at_least_single(job)
    dtype = job.images.dtype
    with _RANDOM:
        numpy_state = np.random.get_state()
        try:
            with torch.random.fork_rng():
                torch.manual_seed(job.seed)
                np.random.seed(job.seed % 2**32)
                return GradientShap(lambda points: job.net(points.to(dtype))).attribute(
                    images, baseline, n_samples=job.steps, stdevs=0.09, target=job.targets
                )
        finally:
            np.random.set_state(numpy_state)


@methods.register("occlusion")
def _occlusion(job: Job) -> Tensor:
    """Zeiler & Fergus 2014: the drop of the logit as a patch (a ViT's own, else an eighth of the side) is covered."""
    from captum.attr import Occlusion

    h, w = job.images.shape[2:]
    window = geometry(job.net).patch_size if has_tokens(job.net) else (max(1, h // 8), max(1, w // 8))
    with torch.no_grad():
        drop = Occlusion(job.net).attribute(
            job.images,
            (3, *window),
            strides=(3, *window),
            baselines=job.baseline,
            target=job.targets,
            perturbations_per_eval=max(1, 32 // len(job.images)),
        )
    return drop / 3  # captum credits each of the three channels with all of it


@methods.register("input_x_gradient")
def _input_x_gradient(job: Job) -> Tensor:
    """Shrikumar et al. 2016: (image - baseline) times the gradient."""
    from captum.attr import Saliency

    return (job.images - job.baseline).detach() * Saliency(job.net).attribute(job.images, job.targets, abs=False)


@methods.register("saliency")
def _saliency(job: Job) -> Tensor:
    """Simonyan et al. 2014: the absolute gradient."""
    from captum.attr import Saliency

    return Saliency(job.net).attribute(job.images, job.targets, abs=True)


@methods.register("deep_lift")
def _deep_lift(job: Job) -> Tensor:
    """Shrikumar et al. 2017, rescale rule, which divides by differences: never in less than single precision."""
    from captum.attr import DeepLift

    images, baseline = _at_least_single(job)
    twin = _copy_for_hooks(job.net).to(images.dtype)
    with torch.autocast(images.device.type, enabled=False):
        return DeepLift(twin).attribute(images, baseline, target=job.targets)


@methods.register("guided_backprop")
def _guided_backprop(job: Job) -> Tensor:
    """Springenberg et al. 2015: gradients that pass only where they are positive at each ReLU."""
    from captum.attr import GuidedBackprop

    return GuidedBackprop(_copy_for_hooks(job.net)).attribute(job.images, target=job.targets)


def _at_least_single(job: Job) -> tuple[Tensor, Tensor]:
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
