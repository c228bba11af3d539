"""What a person may set while a run goes on. No torch here: the store and the pages need it, too."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from vit_explore.config import TrainConfig
from vit_explore.errors import BadConfig

LR_FACTORS = (0.1, 10.0)


@dataclass(frozen=True)
class Controls:
    """What holds from the next step on; None: as the run's settings say."""

    paused: bool = False
    lr_factor: float = 1.0  # of the learning rate that the schedule gives, 0.1 to 10
    weight_decay: float | None = None
    augment: str | None = None

    def changed(self, **changes: Any) -> Controls:
        """These with `changes`. Raises BadConfig for a name that is none, or a value out of bounds."""
        known = [field.name for field in fields(self)]
        unknown = sorted(changes.keys() - set(known))
        if unknown:
            names = ", ".join(known)
            raise BadConfig(f"{unknown[0]!r} cannot be set while a run goes on; what can be set is: {names}.")
        return replace(self, **{name: _checked(name, value) for name, value in changes.items()})


def _checked(name: str, value: Any) -> Any:
    if name == "paused":
        if not isinstance(value, bool):
            raise BadConfig(f"paused = {value!r} is not possible: it is true or false.")
        return value
    if name == "lr_factor":
        low, high = LR_FACTORS
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadConfig(f"lr_factor = {value!r} is not possible: give a number from {low:g} to {high:g}.")
        return float(value)
    return None if value is None else getattr(TrainConfig(epochs=1, **{name: value}), name)
