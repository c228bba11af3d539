"""Which parameters a fine-tuning moves, and how far each layer: the optimisers' groups, parted anew.

Layer-wise decay (Clark et al. 2020, ELECTRA; Bao et al. 2022, BEiT): the first layers hold what every picture needs, so
they move less. Which layer a parameter is in, timm says, from the model's own `group_matcher` where it has one.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer

from vit_explore.config import TrainConfig


def tuned(parts: dict[str, Optimizer], model: nn.Module, train: TrainConfig) -> dict[str, Optimizer]:
    """The optimisers, left with what is trained, in groups of one `lr_scale` each."""
    if train.tune == "all" and train.layer_decay == 1.0:
        return parts
    scales = layer_scales(model, train.layer_decay)
    for part in parts.values():
        part.param_groups = [smaller for group in part.param_groups for smaller in _parted(group, scales)]
    return {name: part for name, part in parts.items() if part.param_groups}


def layer_scales(model: nn.Module, decay: float) -> dict[int, float]:
    """id of each trained parameter -> factor of the learning rate: 1 at the head, `decay` for each layer below it."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if decay == 1.0:
        return {id(parameter): 1.0 for parameter in trained}
    if not hasattr(model, "group_matcher"):
        return _by_name(model, decay)
    from timm.optim import param_groups_layer_decay  # takes a second to import

    groups = param_groups_layer_decay(model, layer_decay=decay)
    return {id(parameter): group["lr_scale"] for group in groups for parameter in group["params"]}


def _by_name(model: nn.Module, decay: float) -> dict[int, float]:
    """The same of a model that does not tell its layers: those with a number of their own, in their order."""
    names = {name: layer_of(name) for name, parameter in model.named_parameters() if parameter.requires_grad}
    order = list(dict.fromkeys(names.values()))
    scales = {layer: decay ** (len(order) - 1 - i) for i, layer in enumerate(order)}
    parameters = dict(model.named_parameters())
    return {id(parameters[name]): scales[layer] for name, layer in names.items()}


def layer_of(name: str) -> str:
    """The part of a parameter's name up to its first number ("features.6" of "features.6.weight"), or its module's."""
    parts = name.split(".")
    number = next((i for i, part in enumerate(parts) if part.isdigit()), None)
    return ".".join(parts[: -1 if number is None else number + 1])


def _parted(group: dict[str, Any], scales: dict[int, float]) -> list[dict[str, Any]]:
    """A group as one for each scale in it; the parameters that have none are not trained."""
    by_scale: dict[float, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        if id(parameter) in scales:
            by_scale.setdefault(scales[id(parameter)], []).append(parameter)
    return [{**group, "params": params, "lr_scale": scale} for scale, params in by_scale.items()]
