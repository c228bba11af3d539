"""The registry of architectures: a name to a callable that builds an nn.Module from a ModelConfig."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vit_explore.config import ModelConfig
from vit_explore.registry import Registry

if TYPE_CHECKING:
    from torch import nn

architectures: Registry[Callable[[ModelConfig], nn.Module]] = Registry("model", package="vit_explore.models")
