"""Going on from a checkpoint: its state into a model and its optimisers, or one sentence about what does not fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from vit_explore.errors import BadConfig, TrainingFailed
from vit_explore.training.controls import Controls
from vit_explore.training.optimizers import Optimizers
from vit_explore.training.weights import difference, size

KEYS = ("model", "optimizer", "step", "elapsed")
_HELD = {"lr_factor", "weight_decay", "augment"}
_SETTLED = {"precision": str, "fused": bool, "replicas": int, "threads": int, "device": str}
_MOMENTS = {"step", "exp_avg", "exp_avg_sq"}
_BUFFERS = {"adamw": _MOMENTS, "adam": _MOMENTS, "muon": {"momentum_buffer"}}  # of each parameter; sgd's may be none


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
    _check_origin(state.get("origin"), int(step))
    _check_share(state)
    _check_held(state.get("held"))
    _check_settled(state.get("settled"))
    _check_weights(state["model"], model.state_dict())
    if state["optimizer"] is not None:
        optimizer.load_state_dict(_checked(state["optimizer"], optimizer))
    model.load_state_dict(state["model"])
    return int(step), elapsed


def checked_average(average: Any, model: nn.Module) -> dict[str, Any]:
    """The moving average of a Checkpoint. Raises TrainingFailed."""
    if not isinstance(average, Mapping) or set(average) != {"count", "model"}:
        _refuse("it has no moving average of the weights")
    _number(average, "count")
    _check_weights(average["model"], model.state_dict())
    return dict(average)


def checked_patience(patience: Any, model: nn.Module) -> dict[str, Any]:
    """The best look of a Checkpoint. Raises TrainingFailed."""
    if not isinstance(patience, Mapping) or set(patience) != {"top1", "step", "waited", "weights"}:
        _refuse("it does not say which validation was the best")
    for key in ("step", "waited"):
        _number(patience, key)
    if patience["weights"] is not None:
        _check_weights(patience["weights"], model.state_dict())
    return dict(patience)


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


def _check_origin(origin: Any, step: int) -> None:
    if origin is None:  # of an earlier release, as None of what follows
        return
    if not isinstance(origin, tuple | list) or len(origin) != 2:
        _refuse(f"its origin is {str(origin)[:40]!r}, which is no step and epoch")
    found = {"origin's step": origin[0], "origin's epoch": origin[1]}
    for key in found:
        _number(found, key)
    if origin[0] != int(origin[0]) or origin[0] > step:
        _refuse(f"its origin's step is {origin[0]} and its own is {step}")


def _check_share(state: Mapping[str, Any]) -> None:
    if state.get("share") is not None and _number(state, "share") > 1:
        _refuse(f"its share of the budget is {state['share']}, which is more than 1")
    if not isinstance(state.get("mixed", False), bool):
        _refuse(f"its mixed is {str(state['mixed'])[:40]!r}, which is neither true nor false")


def _check_held(held: Any) -> None:
    """What a person had set: as it could be set."""
    if held is None:
        return
    if not isinstance(held, Mapping) or not set(held) <= _HELD or None in held.values():
        _refuse(f"its held is {str(held)[:40]!r}, which is not what a person can set")
    try:
        Controls().changed(**held)
    except BadConfig as error:
        _refuse(f"what was set in it cannot be: {str(error).rstrip('.')}")


def _check_settled(settled: Any) -> None:
    """How its steps were computed."""
    if settled is None:
        return
    if not isinstance(settled, Mapping) or not all(type(settled.get(key)) is kind for key, kind in _SETTLED.items()):
        _refuse(f"its settled is {str(settled)[:40]!r}, which does not say how a step is computed")
    if settled["precision"] not in ("fp32", "bf16") or settled["replicas"] < 1 or settled["threads"] < 1:
        _refuse(f"its settled is {str(dict(settled))[:80]!r}, which is no way to compute a step")


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
