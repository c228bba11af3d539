"""Stored settings outlive versions: each carries the version that wrote it, and is upgraded when it is read.

To rename or drop a field, or to change what a value means: raise both versions to the same and add one small step. A
field that is only added needs neither: what is stored without it has its default.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadConfig, VitExploreError

Values = dict[str, Any]

CONFIG_VERSION = 2  # the latest that is read
# Written for all but forks, and meant where none is written. A fork's is later, so that a release from before forks,
# whose worker may still be busy, refuses it instead of training it from the start.
PLAIN_VERSION = 1
VERSION_KEY = "version"

# version -> the step to the next one. It takes and gives a run's settings as plain values; any of the sections
# "data", "model" and "train" may be missing, for a model is stored alone, too.
STEPS: dict[int, Callable[[Values], Values]] = {1: lambda values: values}


def upgrade(values: Values) -> Values:
    """A run's stored settings as this version writes them, without their version. Raises BadConfig for a newer one."""
    values = dict(values)
    version = values.pop(VERSION_KEY, 1)
    if not isinstance(version, int) or not 1 <= version <= CONFIG_VERSION:
        raise BadConfig(f"they are of version {version!r}, and this program reads up to version {CONFIG_VERSION}")
    for step in range(version, CONFIG_VERSION):
        values = STEPS[step](values)
    return values


def stored_config(text: str) -> RunConfig:
    """The settings of a run from their stored JSON. Raises BadConfig, one sentence, for what cannot be read."""
    try:
        return RunConfig(**upgrade(json.loads(text)))
    except (VitExploreError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise BadConfig(
            f"The stored settings cannot be read here ({_reason(error)}): the run can be renamed, exported and "
            "deleted; to train it, open it with the version that made it."
        ) from None


def stored_model(model: Any, version: int = 1) -> ModelConfig:
    """A model's stored settings (of a started run, or on a card beside weights). Raises BadConfig."""
    try:
        return ModelConfig(**upgrade({VERSION_KEY: version, "model": model})["model"])
    except (VitExploreError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise BadConfig(
            f"The stored settings of the model cannot be read here ({_reason(error)}); "
            "open it with the version that made it."
        ) from None


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return "they are no JSON"
    if isinstance(error, VitExploreError):
        return str(error).partition(";")[0].rstrip(".")  # the advice after it is for who writes settings
    return f"they have another form: {type(error).__name__}"
