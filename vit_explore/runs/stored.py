"""A model reference taken apart, and where the weights of a run or of a bundled model are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadReference, DamagedFile, ModelUnavailable
from vit_explore.runs import reading
from vit_explore.training.weights import difference
from vit_explore.upgrades import VERSION_KEY, stored_model

if TYPE_CHECKING:
    from torch import Tensor, nn

    from vit_explore.runs.store import RunStore

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
FORMS = "run:ID, run:ID@STEP, bundled:NAME, timm:NAME or timm:NAME@random"
_FORM = re.compile(r"(?P<kind>run|bundled|timm):(?P<name>[\w.+-]+)(?:@(?P<at>\d+|random))?")

Kind = Literal["run", "bundled", "timm"]


@dataclass(frozen=True)
class Reference:
    """A reference taken apart. step: None for the latest; random: a timm model without its published weights."""

    kind: Kind
    name: str
    step: int | None = None
    random: bool = False

    def __str__(self) -> str:
        at = "@random" if self.random else "" if self.step is None else f"@{self.step}"
        return f"{self.kind}:{self.name}{at}"


def parse_reference(ref: str) -> Reference:
    """Take a reference apart. Raises BadReference, which lists the forms."""
    match = _FORM.fullmatch(ref.strip())
    if match is None or (match["at"] == "random") > (match["kind"] == "timm"):
        raise BadReference(f"{ref!r} is no model reference; write one of {FORMS}.")
    kind, at = match["kind"], match["at"]
    if kind == "timm" and at not in (None, "random"):
        raise BadReference(f"{ref!r} is no model reference: timm models have no steps; write timm:{match['name']}.")
    step = int(at) if at and at != "random" else None
    return Reference(kind, match["name"], step, at == "random")  # type: ignore[arg-type]


@dataclass(frozen=True)
class Stored:
    """Weights in a file, and what is needed to build their model."""

    ref: Reference
    weights: Path
    config: ModelConfig
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    about: dict[str, Any]  # for people: the name, the results
    run: RunConfig | None = None  # how it was trained, where that is known

    @property
    def data_size(self) -> int:
        """Side of the images that it was trained on; they were resized where it takes another."""
        if self.run is not None:
            return self.config.image_size if self.run.model_follows else self.run.data.image_size
        return self.about.get("data", {}).get("image_size", self.config.image_size)

    def read(self) -> dict[str, Tensor]:
        """The weights. Raises ModelUnavailable for a file that is damaged."""
        try:
            with reading.guarded(f"The weights of {self.ref}", "choose another step or model"):
                return reading.weights(self.weights)
        except DamagedFile as error:
            raise ModelUnavailable(str(error)) from error

    def check(self, weights: dict[str, Tensor], model: nn.Module) -> None:
        """Raises ModelUnavailable for weights of another model."""
        why = difference(weights, model.state_dict())
        if why is not None:
            raise ModelUnavailable(f"The weights of {self.ref} do not fit its model: {why}; choose another one.")


def find_run(ref: Reference, store: RunStore) -> Stored:
    """Where a run's weights are. Raises BadReference."""
    record = store.get(ref.name)
    steps = [row.step for row in store.snapshots(ref.name)]
    if record.model is None and record.unreadable:
        raise BadReference(record.unreadable)
    if record.model is None or record.classes is None or record.mean is None or record.std is None or not steps:
        raise BadReference(f"The run {ref.name!r} has no snapshot yet; wait for its first step, or start it.")
    step = steps[-1] if ref.step is None else ref.step
    top1, test_top1 = (record.top1, record.test_top1) if step == steps[-1] else (None, None)  # those of the end
    about = {"run": record.id, "title": record.name, "step": step, "top1": top1, "test_top1": test_top1}
    return Stored(
        Reference("run", ref.name, step), store.snapshot_path(ref.name, step), record.model, record.classes,
        _three(record.mean), _three(record.std), about, record.config,
    )  # fmt: skip


def find_bundled(ref: Reference) -> Stored:
    """Where a bundled model's weights are. Raises BadReference."""
    card = WEIGHTS / f"{ref.name}.json"
    if not card.is_file():
        names = ", ".join(path.stem for path in sorted(WEIGHTS.glob("*.json"))) or "none"
        raise BadReference(f"No bundled model is named {ref.name!r}; there are: {names}.")
    path = WEIGHTS / (f"{ref.name}.safetensors" if ref.step is None else f"{ref.name}/{ref.step}.safetensors")
    if not path.is_file():
        known = ", ".join(map(str, bundled_steps(ref.name))) or "none"
        raise BadReference(f"The bundled model {ref.name!r} has no weights at {path.name}; its steps are: {known}.")
    about = json.loads(card.read_text(encoding="utf-8"))
    if ref.step is not None:
        about |= {"step": ref.step, "top1": None, "test_top1": None}  # the results are those of the end
    config, classes = model_of(about), tuple(about.pop("classes"))
    about = {key: value for key, value in about.items() if key not in ("config", VERSION_KEY)}
    return Stored(ref, path, config, classes, _three(about.pop("mean")), _three(about.pop("std")), about)


def model_of(card: dict[str, Any]) -> ModelConfig:
    """The model on a card, as a bundled model has it and an export writes it. Raises BadConfig."""
    return stored_model(card["config"], card.get(VERSION_KEY, 1))


def bundled_cards() -> dict[str, dict[str, Any]]:
    """What the cards of the bundled models say, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(WEIGHTS.glob("*.json"))}


def bundled_steps(name: str) -> list[int]:
    """The steps of the snapshots that come with a bundled model."""
    return sorted(int(path.stem) for path in (WEIGHTS / name).glob("*.safetensors") if path.stem.isdigit())


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue
