"""A row: what was reported, the same settings as a run here, and a run of a few minutes with the same idea."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vit_explore.config import RunConfig, TrainConfig
from vit_explore.presets import Preset, presets
from vit_explore.registry import Registry

SCALED = "-scaled"  # ends the name of the preset with the same idea in a few minutes
FAITHFUL: Literal["faithful"] = "faithful"
Kind = Literal["faithful", "scaled"]
KINDS: tuple[Kind, ...] = ("faithful", "scaled")
REPORT = "One of the five student reports and talks on the paper that this project starts from"


@dataclass(frozen=True)
class Curve:
    """Numbers along the training as they were printed: points (at, value), `at` counted in `unit`, `total` of them.

    Accuracies are in %; a loss that was summed over the batches of an epoch is divided by their number, `summed`.
    """

    measure: Literal["accuracy", "loss"]
    said: str  # what the numbers are
    points: tuple[tuple[float, float], ...]
    unit: str
    total: float
    summed: int = 1

    @property
    def shares(self) -> list[float]:
        """Where the points lie, as shares of the training."""
        return [at / self.total for at, _ in self.points]

    @property
    def values(self) -> list[float]:
        """Accuracies in [0, 1], losses as the mean over images."""
        return [value / (100 if self.measure == "accuracy" else self.summed) for _, value in self.points]


@dataclass(frozen=True)
class Reported:
    """Figures as they were printed; None where none was. Accuracies and F1 in %.

    before, f1_before: of the new head before any training; on: what the accuracy was measured on.
    """

    top1: float | None = None
    f1: float | None = None
    epochs: float | None = None
    seconds: float | None = None
    before: float | None = None
    f1_before: float | None = None
    on: str = "test images"
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of the table, in sentences, numbers and two runs."""

    name: str  # of the faithful preset
    order: int
    title: str
    short: str  # in figures
    reference: str
    what: str  # model and data
    reported: Reported
    choices: str  # what the source leaves out, and what stands here in its place
    scaled: str  # what the scaled run has less of
    differs: str  # what differs and the likely cause
    faithful: Callable[[], RunConfig]
    small: Callable[[], RunConfig]
    takes: str = ""  # the faithful one on two CPU cores, in words, where that is more than a few minutes
    needs: str = ""  # what the faithful one has to find: weights, pictures
    params: int | None = None  # as published
    classes: int = 10
    page: str = ""  # of the app, where the question goes on

    @property
    def is_of_the_paper(self) -> bool:
        return self.reference != REPORT

    @property
    def is_scaled_to_others(self) -> bool:
        """Whether its scaled run has other pictures than the faithful one, so that their accuracies say little."""
        return self.faithful().data.dataset != self.small().data.dataset

    def preset(self, kind: Kind) -> Preset:
        """Its faithful or its scaled preset."""
        return presets.get(self.name if kind == FAITHFUL else self.name + SCALED)


rows: Registry[Row] = Registry("row", package="vit_explore.reports.rows")


def add(row: Row) -> None:
    """Register a row and its two presets."""
    rows.register(row.name)(row)
    why = f"{row.what} Settings as reported." if not row.needs else f"{row.what} Settings as reported. {row.needs}"
    faithful = Preset(row.name, row.title, why, row.faithful, is_everyday=False, takes=row.takes)
    small = Preset(f"{row.name}{SCALED}", f"{row.title}, scaled", row.scaled, row.small, is_everyday=False)
    for preset in (faithful, small):
        presets.register(preset.name)(preset)


def in_order() -> list[Row]:
    """Every row, in the order of the table."""
    return sorted((row for _, row in rows), key=lambda row: row.order)


def row_of(preset: str) -> tuple[Row, Kind] | None:
    """The row that a preset belongs to, and whether it is the faithful or the scaled one; None for any other."""
    name = preset.removesuffix(SCALED)
    if name not in rows:
        return None
    return rows.get(name), "scaled" if preset != name else "faithful"


def plain(**changes: Any) -> RunConfig:
    """A run without what this project adds: no half size, warm-up, schedule, smoothing, clipping or augmentation."""
    bare = {
        "low_res_fraction": 0.0, "warmup_fraction": 0.0, "schedule": "constant", "label_smoothing": 0.0,
        "grad_clip": 0.0, "augment": "none", "weight_decay": 0.0,
    }  # fmt: skip
    return RunConfig(train=TrainConfig(epochs=1)).update(**bare | changes)
