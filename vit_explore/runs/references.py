"""Model references: one string that names a model anywhere, and `load_model`, which turns it into one to look inside.

run:ID            the latest snapshot of a run            run:ID@STEP         the one at that step
bundled:NAME      weights that come with the package      bundled:NAME@STEP   one of its earlier snapshots
timm:NAME         a timm model, its published weights     timm:NAME@random    the same, freshly initialised
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vit_explore.cards import Card, card_of
from vit_explore.config import ModelConfig, RunConfig
from vit_explore.errors import BadConfig, BadReference, DamagedFile, ModelUnavailable
from vit_explore.runs import reading
from vit_explore.runs.loaded import LoadedModel, view_of
from vit_explore.runs.store import RunStore
from vit_explore.training.weights import difference
from vit_explore.upgrades import VERSION_KEY, stored_model

if TYPE_CHECKING:
    from torch import Tensor, nn

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


@dataclass(frozen=True)
class Available:
    """A model that a picker can offer."""

    ref: str
    title: str
    steps: tuple[int, ...]  # of its snapshots
    card: Card  # of its architecture


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
    return _bundled_steps(parsed.name) if parsed.kind == "bundled" else []


def available_references(home: Path | None = None) -> list[Available]:
    """The runs that have snapshots, newest first, then the bundled models in their order."""
    offers = [
        Available(f"run:{run}", name, steps, card_of(architecture))
        for run, name, architecture, steps in RunStore(home).runs_with_snapshots()
    ]
    bundled = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(WEIGHTS.glob("*.json"))}
    for name, about in sorted(bundled.items(), key=lambda item: item[1].get("order", len(bundled))):
        architecture = _card_on(about)
        offers.append(Available(f"bundled:{name}", about.get("title", name), tuple(_bundled_steps(name)), architecture))
    return offers


def bundled_facts(name: str) -> dict[str, Any]:
    """What a bundled model's card says: its title, results, the data it was trained on. Raises BadReference."""
    return _find_bundled(Reference("bundled", name)).about


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


def find_stored(ref: Reference, home: Path | None = None) -> Stored:
    """Where a run's or a bundled model's weights are. Raises BadReference."""
    return _find_run(ref, home) if ref.kind == "run" else _find_bundled(ref)


def _find_run(ref: Reference, home: Path | None) -> Stored:
    store = RunStore(home)
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


def _find_bundled(ref: Reference) -> Stored:
    card = WEIGHTS / f"{ref.name}.json"
    if not card.is_file():
        names = ", ".join(path.stem for path in sorted(WEIGHTS.glob("*.json"))) or "none"
        raise BadReference(f"No bundled model is named {ref.name!r}; there are: {names}.")
    path = WEIGHTS / (f"{ref.name}.safetensors" if ref.step is None else f"{ref.name}/{ref.step}.safetensors")
    if not path.is_file():
        known = ", ".join(map(str, _bundled_steps(ref.name))) or "none"
        raise BadReference(f"The bundled model {ref.name!r} has no weights at {path.name}; its steps are: {known}.")
    about = json.loads(card.read_text(encoding="utf-8"))
    if ref.step is not None:
        about |= {"step": ref.step, "top1": None, "test_top1": None}  # the results are those of the end
    config, classes = _model_of(about), tuple(about.pop("classes"))
    about = {key: value for key, value in about.items() if key not in ("config", VERSION_KEY)}
    return Stored(ref, path, config, classes, _three(about.pop("mean")), _three(about.pop("std")), about)


def _model_of(card: dict[str, Any]) -> ModelConfig:
    """The model on a card, as a bundled model has it and an export writes it. Raises BadConfig."""
    return stored_model(card["config"], card.get(VERSION_KEY, 1))


def _card_on(about: dict[str, Any]) -> Card:
    """The architecture of a bundled model; one whose settings cannot be read answers nothing, and hides no other."""
    try:
        return _model_of(about).card
    except BadConfig:
        return card_of("")


def _bundled_steps(name: str) -> list[int]:
    return sorted(int(path.stem) for path in (WEIGHTS / name).glob("*.safetensors") if path.stem.isdigit())


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _build(stored: Stored) -> nn.Module:
    import torch

    from vit_explore.models import create_model

    weights = stored.read()
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        model = create_model(stored.config.replace(pretrained=False))
    stored.check(weights, model)
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)
