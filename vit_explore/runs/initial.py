"""Where a fine-tuning starts: from the reference in `init_from` to the settings that follow, and to the weights.

The settings are resolved when the run is entered, without torch, so that its record says what is trained; the weights
are read when it is trained. `training` knows neither references nor stores: it is given an `Initial`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_explore.cards import card_of
from vit_explore.config import ModelConfig, RunConfig
from vit_explore.data.loading import NORMALISED
from vit_explore.errors import BadConfig, BadReference, ModelUnavailable, VitExploreError
from vit_explore.runs import reading
from vit_explore.runs.stored import find_bundled, find_run, parse_reference
from vit_explore.seeds import drawing
from vit_explore.upgrades import VERSION_KEY, stored_model

if TYPE_CHECKING:
    from torch import Tensor

    from vit_explore.runs.records import RunRecord
    from vit_explore.runs.store import RunStore
    from vit_explore.training.transfer import Initial

FILE = ".safetensors"
FREE = {"dropout", "drop_path", "crop"}  # knobs that change no weight
Three = tuple[float, float, float]


@dataclass(frozen=True)
class Source:
    """What a reference says of the model, without its weights."""

    ref: str  # with the step that "latest" stood for
    knobs: dict[str, Any]  # fields of ModelConfig that the model has to have; empty where only the run's settings tell
    image_size: int | None  # that it was trained on
    mean: Three | None = None
    std: Three | None = None
    read: Callable[[ModelConfig], dict[str, Tensor]] = field(repr=False, default=lambda config: {})


def resolved(config: RunConfig, store: RunStore) -> RunConfig:
    """The run with the architecture and the sizes of the model that it starts from; without `init_from` as it is.

    Unless a size is set, the images come at the size that the model knows: a person's pictures are read so, others are
    resized on their way. Raises BadReference, and BadConfig for a setting that contradicts the model.
    """
    if config.model.init_from is None:
        return config
    source = find_source(config.model, store)
    _check_weights(config, source)
    given = config.model.model_fields_set
    for name, value in source.knobs.items():
        if name in given - FREE and getattr(config.model, name) != value:
            known_as = "model" if name == "architecture" else name
            raise BadConfig(
                f"{known_as} = {getattr(config.model, name)!r} contradicts {source.ref}, which has {value!r}; "
                "leave it out, and it follows the weights.",
                known_as,
            )
    kept = {name: getattr(config.model, name) for name in given - {"image_size", "num_classes"}}
    data, model = config.data.model_dump(exclude_unset=True), {**source.knobs, **kept, "init_from": source.ref}
    is_own = "image_size" in given and "image_size" not in data  # an input size may well be that of the data
    if is_own or not config.model_follows:
        model["image_size"] = config.model.image_size
    elif source.image_size is not None and "image_size" not in data:
        (data if config.data.dataset == "folder" else model)["image_size"] = source.image_size
    return RunConfig(name=config.name, data=data, model=model, train=config.train.model_dump(exclude_unset=True))


def _check_weights(config: RunConfig, source: Source) -> None:
    """Where they come from, and which pixels they know, is said once."""
    if config.model.pretrained:
        raise BadConfig(
            f"The model is to start both from {source.ref} and from timm's published weights; turn pretrained off, or "
            "leave init_from out.",
            "pretrained", "init_from",
        )  # fmt: skip
    asked = NORMALISED.get(config.data.normalize)
    if asked is not None and source.mean is not None and asked != (source.mean, source.std):
        raise BadConfig(
            f"normalize = {config.data.normalize!r} contradicts {source.ref}, whose images were normalised in another "
            "way; leave it at 'data', and it follows the weights.",
            "normalize",
        )


def find_source(model: ModelConfig, store: RunStore) -> Source:
    """What `model.init_from` names. Raises BadReference."""
    ref = str(model.init_from).strip()
    if ref.endswith(FILE):
        return _of_file(Path(ref).expanduser(), model)
    parsed = parse_reference(ref)
    if parsed.kind == "timm":
        return _of_timm(parsed.name, parsed.random)
    stored = find_run(parsed, store) if parsed.kind == "run" else find_bundled(parsed)
    return Source(
        str(stored.ref), _knobs(stored.config), stored.config.image_size, stored.mean, stored.std,
        read=lambda config: stored.read(),
    )  # fmt: skip


def read_initial(config: RunConfig, store: RunStore) -> Initial | None:
    """The weights that a resolved run starts from; None for one from scratch.

    Raises BadReference, and ModelUnavailable for weights that are neither here nor reachable, or damaged.
    """
    if config.model.init_from is None:
        return None
    from vit_explore.training.transfer import Initial, digest

    source = find_source(config.model, store)
    weights = source.read(config.model)
    return Initial(source.ref, digest(weights), source.mean, source.std, weights)


def initial_of(store: RunStore, record: RunRecord, goes_on: bool) -> Initial | None:
    """The same for a run of the store. goes_on: from a checkpoint or a snapshot, so what it began with is enough.

    Raises ModelUnavailable where the weights are no longer those that the run began with.
    """
    config = record.settings()
    if config.model.init_from is None:
        return None
    from vit_explore.training.transfer import Initial

    started = store.started(record.id)
    if goes_on and started is not None and started.init_digest is not None:
        return Initial(config.model.init_from, started.init_digest, started.mean, started.std)
    initial = read_initial(config, store)
    if started is not None and initial is not None and started.init_digest not in (None, initial.digest):
        raise ModelUnavailable(
            f"The weights of {initial.ref} are others now than the run {record.id!r} started from; "
            "start a new run from them."
        )
    return initial


def _knobs(model: ModelConfig) -> dict[str, Any]:
    fields = model.card.fields.keys() - {"pretrained"}
    return {"architecture": model.architecture, "crop": model.crop} | {name: getattr(model, name) for name in fields}


def _of_timm(name: str, random: bool) -> Source:
    from vit_explore.runs.timm_reference import facts_of

    size, mean, std = facts_of(name)

    def read(config: ModelConfig) -> dict[str, Tensor]:
        from vit_explore.models import create_model

        with drawing(0):
            # timm itself brings the weights to the size of the images
            return dict(create_model(config.replace(pretrained=not random)).state_dict())

    ref = f"timm:{name}{'@random' if random else ''}"
    return Source(ref, {"architecture": f"timm:{name}"}, size, mean, std, read)


def _of_file(path: Path, model: ModelConfig) -> Source:
    """Weights with a JSON beside them, of our `export` or of timm's hub (config.json); without one as the run says."""
    if not path.is_file():
        raise BadReference(f"There is no file {path}; give the path of weights (safetensors), or {_OTHERS}.")
    path = path.absolute()  # the run may be trained, or go on, from another folder

    def read(config: ModelConfig) -> dict[str, Tensor]:
        with reading.guarded(f"The weights {path}", "choose another file"):
            return reading.weights(path)

    for card in (path.with_suffix(".json"), path.with_name("config.json")):
        if card.is_file():
            return _of_card(path, card, read)
    mean, std = None, None
    if model.architecture.startswith("timm:"):
        from vit_explore.runs.timm_reference import facts_of

        _, mean, std = facts_of(model.architecture.removeprefix("timm:"))
    return Source(str(path), {}, None, mean, std, read)


_OTHERS = "a model such as bundled:vit-cifar10"


def _of_card(path: Path, card: Path, read: Callable[[ModelConfig], dict[str, Tensor]]) -> Source:
    try:
        about = json.loads(card.read_text(encoding="utf-8"))
        if "config" in about:  # ours
            model = stored_model(about["config"], about.get(VERSION_KEY, 1))
            return Source(str(path), _knobs(model), model.image_size, tuple(about["mean"]), tuple(about["std"]), read)
        architecture, facts = f"timm:{about['architecture']}", about["pretrained_cfg"]
        size = int(facts["input_size"][-1])
        knobs = {"architecture": architecture} if card_of(architecture).family else {}
        return Source(str(path), knobs, size, tuple(facts["mean"]), tuple(facts["std"]), read)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, VitExploreError) as error:
        raise BadReference(
            f"{card} beside the weights does not say what they are of ({type(error).__name__}); "
            "mend it or move it away, and name the architecture."
        ) from error
