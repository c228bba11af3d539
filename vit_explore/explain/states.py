"""A model as it has to be for a pass, and then as it was: its mode, its lock, whether it bears gradients."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from vit_explore.errors import BadConfig
from vit_explore.explain.geometry import name_of
from vit_explore.explain.inputs import check_logits

_LOCKS: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()


def lock_of(net: nn.Module) -> threading.RLock:
    """The model's own lock: hooks and switches of two threads on one shared model would mix up."""
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(net, threading.RLock())


@contextmanager
def undisturbed(net: nn.Module) -> Iterator[None]:
    """Evaluation mode under the model's lock; each submodule's mode comes back on leaving, also after an error."""
    with lock_of(net), switched(net.modules(), training=False, grad_checkpointing=False):
        yield


@contextmanager
def differentiable(net: nn.Module) -> Iterator[None]:
    """Gradients on, whatever the caller has switched off. Raises BadConfig for weights that bear none."""
    if any(value.is_inference() for value in (*net.parameters(), *net.buffers())):
        raise BadConfig(
            f"{name_of(net, at_start=True)} was made inside torch.inference_mode(), so nothing can be differentiated "
            "through its weights; build or load it outside, or under torch.no_grad()."
        )
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def switched(modules: Iterable[nn.Module], **values: Any) -> Iterator[None]:
    """Set the attributes of `values` where a module has them, then put the old ones back."""
    old = [(m, name, getattr(m, name)) for m in modules for name in values if hasattr(m, name)]
    try:
        for module, name, _ in old:
            setattr(module, name, values[name])
        yield
    finally:
        for module, name, value in old:
            setattr(module, name, value)


def plain_pass(net: nn.Module, images: Tensor, **switches: Any) -> Tensor:
    """Logits (B, classes) in evaluation mode; switches: attributes of its modules for as long."""
    with undisturbed(net), switched(net.modules(), **switches):
        return check_logits(net(images))
