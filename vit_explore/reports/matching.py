"""Which preset a run is a run of: decided by its settings, so that a changed run is none of its preset's any more."""

from __future__ import annotations

from functools import cache
from typing import Any

from vit_explore.config import RunConfig, Setting, settings
from vit_explore.reports.base import KINDS, in_order

# another sample of the same run, or another machine
FREE = frozenset({"seed", "data_seed", "path"} | {s.name for s in settings().values() if s.hints.fair == "clock"})


def preset_of(config: RunConfig) -> str | None:
    """The preset of a row that has these settings; None where there is none.

    Seeds, the place of the person's own pictures, and what only sets the pace (device, threads, precision, how often it
    is validated) may differ.
    """
    return _known().get(_key(config))


def _key(config: RunConfig) -> tuple[Any, ...]:
    model = config.model.architecture
    return tuple(_value(s, config) for name, s in settings().items() if name not in FREE and s.applies(model))


def _value(setting: Setting, config: RunConfig) -> Any:
    """A run of the store names the step of the bundled model that it started from, a preset does not."""
    value = setting.value(config)
    return value.partition("@")[0] if setting.name == "init_from" and str(value).startswith("bundled:") else value


@cache
def _known() -> dict[tuple[Any, ...], str]:
    presets = (row.preset(kind) for row in in_order() for kind in KINDS)
    return {_key(preset.config): preset.name for preset in presets}
