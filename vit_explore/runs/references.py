"""Model references: one string that names a model anywhere, and `load_model`, which turns it into one to look inside.

run:ID            the latest snapshot of a run            run:ID@STEP         the one at that step
bundled:NAME      weights that come with the package      bundled:NAME@STEP   one of its earlier snapshots
timm:NAME         a timm model, its published weights     timm:NAME@random    the same, freshly initialised
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_explore.cards import Card, card_of
from vit_explore.config import DataConfig
from vit_explore.errors import BadConfig
from vit_explore.runs.loaded import LoadedModel, view_of
from vit_explore.runs.store import RunStore
from vit_explore.runs.stored import (
    Reference,
    Stored,
    bundled_cards,
    bundled_steps,
    find_bundled,
    find_run,
    model_of,
    parse_reference,
)
from vit_explore.seeds import drawing

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Available", "Reference", "Stored", "available_references", "bundled_facts", "data_of", "find_stored", "load_model",
    "parse_reference", "snapshot_steps",
]  # fmt: skip


@dataclass(frozen=True)
class Available:
    """A model that a picker can offer."""

    ref: str
    title: str
    steps: tuple[int, ...]  # of its snapshots
    card: Card  # of its architecture


def load_model(ref: str, home: Path | None = None) -> LoadedModel:
    """The model that `ref` names.

    Raises BadReference for one that does not parse or points at nothing (RunNotFound for a run that is not there),
    ModelUnavailable for weights that are neither here nor reachable.
    """
    parsed = parse_reference(ref)
    if parsed.kind == "timm":
        from vit_explore.runs.timm_reference import load_timm

        return load_timm(parsed.name, parsed.random)
    stored = find_stored(parsed, home)
    return LoadedModel(
        model=_build(stored), classes=stored.classes, image_size=stored.config.image_size, mean=stored.mean,
        std=stored.std, ref=str(stored.ref), view=view_of(stored.data_size, stored.config),
    )  # fmt: skip


def snapshot_steps(ref: str, home: Path | None = None) -> list[int]:
    """The steps at which there are weights of a run or a bundled model; none for a timm model."""
    parsed = parse_reference(ref)
    if parsed.kind == "run":
        return [row.step for row in RunStore(home).snapshots(parsed.name)]
    return bundled_steps(parsed.name) if parsed.kind == "bundled" else []


def available_references(home: Path | None = None) -> list[Available]:
    """The runs that have snapshots, newest first, then the bundled models in their order."""
    offers = [
        Available(f"run:{run}", name, steps, card_of(architecture))
        for run, name, architecture, steps in RunStore(home).runs_with_snapshots()
    ]
    bundled = bundled_cards()
    for name, about in sorted(bundled.items(), key=lambda item: item[1].get("order", len(bundled))):
        architecture = _card_on(about)
        offers.append(Available(f"bundled:{name}", about.get("title", name), tuple(bundled_steps(name)), architecture))
    return offers


def find_stored(ref: Reference, home: Path | None = None) -> Stored:
    """Where a run's or a bundled model's weights are. Raises BadReference."""
    return find_run(ref, RunStore(home)) if ref.kind == "run" else find_bundled(ref)


def bundled_facts(name: str) -> dict[str, Any]:
    """What a bundled model's card says: its title, results, the data it was trained on. Raises BadReference."""
    return find_bundled(Reference("bundled", name)).about


def data_of(ref: str, home: Path | None = None) -> DataConfig | None:
    """The data that a model was trained on; None for one of timm. Raises BadReference."""
    parsed = parse_reference(ref)
    if parsed.kind == "timm":
        return None
    if parsed.kind == "bundled":
        data = bundled_facts(parsed.name).get("data")
        return None if data is None else DataConfig(**data)
    return RunStore(home).get(parsed.name).settings().data


def _card_on(about: dict[str, Any]) -> Card:
    """The architecture of a bundled model; one whose settings cannot be read answers nothing, and hides no other."""
    try:
        return model_of(about).card
    except BadConfig:
        return card_of("")


def _build(stored: Stored) -> nn.Module:
    from vit_explore.models import create_model

    weights = stored.read()
    with drawing(0):  # the caller's random numbers stay as they were
        model = create_model(stored.config.replace(pretrained=False))
    stored.check(weights, model)
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)
