"""Going on from a checkpoint: its state into a model and its optimisers, or one sentence about what does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from vit_explore.errors import TrainingFailed
from vit_explore.training.optimizers import Optimizers
from vit_explore.training.weights import difference, size

KEYS = ("model", "optimizer", "step", "elapsed")
_BUFFERS = {"adamw": {"step", "exp_avg", "exp_avg_sq"}, "muon": {"momentum_buffer"}}  # of each parameter


def restore(state: Any, model: nn.Module, optimizer: Optimizers) -> tuple[int, float]:
    """Put the state of a Checkpoint into both; gives its step and the seconds used. Raises TrainingFailed."""
    if not isinstance(state, Mapping):
        _refuse(f"it holds a {type(state).__name__} and not the state of a run")
    missing = [key for key in KEYS if key not in state]
    if missing:
        _refuse(f"it has no {', '.join(missing)}")
    step, elapsed = _number(state, "step"), _number(state, "elapsed")
    if step != int(step):
        _refuse(f"its step is {step}")
    _check_weights(state["model"], model.state_dict())
    if state["optimizer"] is not None:
        optimizer.load_state_dict(_checked(state["optimizer"], optimizer))
    model.load_state_dict(state["model"])
    return int(step), elapsed


def from_snapshot(weights: Mapping[str, Tensor], step: int, epoch: float, elapsed: float) -> dict[str, Any]:
    """The state in which a fork starts: half-precision weights as fp32, and an optimiser that knows nothing yet."""
    model = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    return {"model": model, "optimizer": None, "step": step, "elapsed": elapsed, "origin": (step, epoch)}


def _refuse(why: str) -> NoReturn:
    raise TrainingFailed(f"The checkpoint does not fit this run: {why}; duplicate the run to start it again.")


def _number(state: Mapping[str, Any], key: str) -> float:
    value = state[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        _refuse(f"its {key} is {str(value)[:40]!r}, which is no number of 0 or more")
    return value


def _check_weights(weights: Any, own: Mapping[str, Tensor]) -> None:
    if not isinstance(weights, Mapping):
        _refuse(f"its model is a {type(weights).__name__}")
    why = difference(weights, own)
    if why is not None:
        _refuse(f"its weights are another model's: {why}")


def _checked(state: Any, optimizer: Optimizers) -> dict[str, Any]:
    """The optimisers' buffers from the checkpoint; their settings follow from the run, as everywhere."""
    if not isinstance(state, Mapping):
        _refuse(f"its optimizer is a {type(state).__name__}")
    checked: dict[str, Any] = {}
    for name, saved in state.items():
        part = optimizer.parts.get(name)  # an optimiser that this run has not is refused where they are loaded
        checked[name] = saved if part is None else _part(name, saved, part)
    return checked


def _part(name: str, saved: Any, part: torch.optim.Optimizer) -> dict[str, Any]:
    if not isinstance(saved, Mapping) or not isinstance(saved.get("state"), Mapping):
        _refuse(f"its optimiser {name} has no state")
    parameters = [p for group in part.param_groups for p in group["params"]]
    if not set(saved["state"]) <= set(range(len(parameters))):
        _refuse(f"its optimiser {name} is of a model with other parameters")
    for index, buffers in saved["state"].items():
        _check_buffers(name, buffers, parameters[index])
    return {"state": saved["state"], "param_groups": part.state_dict()["param_groups"]}


def _check_buffers(name: str, buffers: Any, parameter: Tensor) -> None:
    if not isinstance(buffers, Mapping) or not _BUFFERS.get(name, set()) <= buffers.keys():
        _refuse(f"its optimiser {name} lacks the buffers of a parameter")
    for value in buffers.values():
        if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
            _refuse(f"a buffer of its optimiser {name} is {size(value)} and its parameter {size(parameter)}")
