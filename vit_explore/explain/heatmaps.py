"""Every way to make a heatmap of a picture, one row each, filed by the file that has it. Chance is one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import NotApplicable
from vit_explore.explain.capture import attention_pass, call_counts
from vit_explore.explain.geometry import find_geometry, has_semantic_tokens, has_tokens, name_of
from vit_explore.explain.inputs import check_alone, module_of, ready_images, ready_targets, taking
from vit_explore.explain.room import NoRoom
from vit_explore.explain.states import plain_pass
from vit_explore.registry import Registry

__all__ = ["heatmap"]

CELLS = 8  # a side, of a random map for a model without patches


def _nobody(_: int) -> None:
    """Who does not want to know."""


@dataclass(frozen=True)
class Question:
    """What a method is asked: a module, normalised images (B, 3, h, w) and the class of each, (B,).

    steps: points on a path, or samples. baseline: the image of "nothing", (1, 3, h, w). told: hears of each pass how
    many images it had.
    """

    net: nn.Module
    images: Tensor
    targets: Tensor
    baseline: Tensor
    steps: int = 32
    seed: int = 0
    told: Callable[[int], None] = _nobody

    def forward(self, x: Tensor) -> Tensor:
        """The logits, and a word to who listens."""
        self.told(len(x))
        return self.net(x.to(self.images.dtype))  # what is drawn in single precision, as the model wants it


@dataclass(frozen=True)
class HeatMethod:
    """A way to make heatmaps.

    needs: attention (from patch to patch), maps (a late layer that keeps places), ReLU (no other activation, and no
    attention), single ReLUs (besides, each module of it is called once in a pass) or any (every model). passes: what an
    image costs, in forward passes, about. is_fine: a value for each pixel; else for each patch, or cell of a grid.
    run: to (B, h, w), or (B, gh, gw), unscaled; the higher, the more it speaks for the class.
    """

    name: str
    title: str
    about: str  # one sentence
    source: str
    needs: Literal["attention", "maps", "ReLU", "single ReLUs", "any"]
    passes: int
    is_fine: bool
    run: Callable[[Question], np.ndarray]
    is_packed: bool = False  # makes one batch of several passes

    @property
    def chance(self) -> str:
        """The random map that is as fine."""
        return "random_pixels" if self.is_fine else "random"

    @property
    def takes(self) -> str:
        """The models that it fits, in words."""
        return _TAKES[self.needs]

    @property
    def is_chance(self) -> bool:
        """Whether it knows nothing of the picture."""
        return self.name in CHANCE


CHANCE = ("random", "random_pixels")
_TAKES = {
    "attention": "models that attend from patch to patch",
    "maps": "models with a late layer that keeps places",
    "ReLU": "nets whose only activation is ReLU",
    "single ReLUs": "nets whose only activation is ReLU, each module of which is called once in a pass",
    "any": "every model",
}
_ACTIVATIONS = tuple(getattr(nn, name) for name in nn.modules.activation.__all__ if name != "ReLU")
_ATTENDS = re.compile("att(n|ention)|softmax|lambda", re.IGNORECASE)  # in the name of a class
_NOT_LINEAR = (nn.ReLU, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)  # what DeepLift follows call by call
_FUNCTIONS = ("relu", "relu_", "max_pool1d", "max_pool2d", "max_pool3d")  # what these modules call
_CALLS: WeakKeyDictionary[nn.Module, Calls] = WeakKeyDictionary()
Run = Callable[[Question], np.ndarray]
heat_methods: Registry[HeatMethod] = Registry("heatmap method", package="vit_explore.explain")


def heat_method(name: str, **facts: Any) -> Callable[[Run], Run]:
    """Decorator that files its function as the `run` of a HeatMethod with these facts."""

    def add(run: Run) -> Run:
        heat_methods.register(name)(HeatMethod(name=name, run=run, **facts))
        return run

    return add


def heatmap(model: Any, images: Tensor, method: str, target: int | Tensor | None = None, **options: Any) -> np.ndarray:
    """The map of any method by its name, unscaled: (B, h, w), or (B, gh, gw) of one that speaks of patches.

    target: a class, or (B,) of them; by default the predicted ones. options: steps, seed. Raises UnknownName, and
    NotApplicable for a method that does not fit the model.
    """
    net = module_of(model)
    images = ready_images(net, images)
    wanted = heat_methods.get(method)
    if len(images) > 1:
        check_alone(net)
    if not fits(wanted.needs, net, images):
        raise misfit(wanted, net, methods_for(net, images))
    with torch.no_grad():
        targets = ready_targets(net, plain_pass(net, images), target)
    return wanted.run(Question(net, images, targets, torch.zeros_like(images[:1]), **options))


def misfit(method: HeatMethod, net: nn.Module, fitting: Sequence[str]) -> NotApplicable:
    """The refusal of a method that does not fit a model; fitting: the names of those that do."""
    return NotApplicable(f"{method.title} does not fit {name_of(net)}; choose of {', '.join(fitting)}.")


def methods_for(net: nn.Module, images: Tensor) -> list[str]:
    """The methods that fit a model, asked with the first of `images`, (B, 3, h, w)."""
    asked = {needs: fits(needs, net, images) for needs in {method.needs for _, method in heat_methods}}
    mixes = getattr(net, "mixes_batch", False)
    return [name for name, method in heat_methods if asked[method.needs] and not (mixes and method.is_packed)]


def fits(needs: str, net: nn.Module, images: Tensor) -> bool:
    """Whether a model has what a method needs, asked with the first of the images where that takes a pass."""
    if needs == "attention":
        return _attends(net, images)
    if needs == "maps":
        return _maps(net, images)
    if needs == "any":
        return True
    return is_relu_net(net) and (
        _calls(net, images).are_single if needs == "single ReLUs" else _calls(net, images).are_modules
    )


def is_relu_net(net: nn.Module) -> bool:
    """Whether ReLU is the model's only activation and nothing in it attends or gates: what guided backprop is made for.

    Elsewhere it and DeepLift repeat a plainer method, or say something wrong. Told by the modules: another activation
    that a model calls as a function is not seen.
    """
    if has_tokens(net) or has_semantic_tokens(net):
        return False
    modules = list(net.modules())
    is_other = any(_is_activation(m) or _ATTENDS.search(type(m).__name__) for m in modules)
    return not is_other and any(isinstance(m, nn.ReLU) for m in modules)


def _is_activation(module: nn.Module) -> bool:
    """Other than ReLU, of PyTorch or of timm."""
    if isinstance(module, nn.ReLU):
        return False
    return isinstance(module, _ACTIVATIONS) or type(module).__module__.startswith("timm.layers.activations")


@dataclass(frozen=True)
class Calls:
    """How a ReLU net calls its ReLUs and max pools in a pass: as modules alone, and each of them once at most."""

    are_modules: bool
    are_single: bool


def _calls(net: nn.Module, images: Tensor) -> Calls:
    """Told by one pass, which is made once for a model. Raises BadConfig where it does not take such images."""
    if net not in _CALLS:
        with torch.no_grad(), taking(net, images):
            counts, functions = call_counts(net, images[:1], _NOT_LINEAR, _FUNCTIONS)
        are_modules = functions <= sum(counts)
        _CALLS[net] = Calls(are_modules, are_modules and max(counts, default=0) <= 1)
    return _CALLS[net]


def _attends(net: nn.Module, images: Tensor) -> bool:
    if find_geometry(net) is None:
        return False
    try:
        with torch.no_grad():
            attention_pass(net, ready_images(net, images[:1]))
    except NoRoom:  # it does, and the method's own pass says that there is no room
        return True
    except NotApplicable:
        return False
    return True


@heat_method(
    "random",
    title="Random patches",
    about="Chance, patch by patch: what any method has to beat.",
    source="a uniform number for each patch; for each cell of 8 x 8 where there are no patches",
    needs="any",
    passes=0,
    is_fine=False,
)
def _random_patches(asked: Question) -> np.ndarray:
    shape = find_geometry(asked.net, (asked.images.shape[2], asked.images.shape[3]))
    return _drawn(asked, shape.grid if shape else (CELLS, CELLS))


@heat_method(
    "random_pixels",
    title="Random pixels",
    about="Chance, pixel by pixel: what a method as fine as that has to beat.",
    source="a uniform number for each pixel",
    needs="any",
    passes=0,
    is_fine=True,
)
def _random_pixels(asked: Question) -> np.ndarray:
    return _drawn(asked, (asked.images.shape[2], asked.images.shape[3]))


def _maps(net: nn.Module, images: Tensor) -> bool:
    from vit_explore.explain.layers import default_layer, grad_cam_layers

    layers = grad_cam_layers(net, images[:1])
    return bool(layers) and layers[0] == default_layer(net)


def _drawn(asked: Question, side: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(asked.seed).random((len(asked.images), *side), dtype=np.float32)
