"""Weights to take away: safetensors, with a JSON that says what they are and how timm loads them.

The bundled models have the same form.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vit_explore.errors import BadReference
from vit_explore.runs.places import check_ordinary, check_place, write
from vit_explore.runs.records import RunRecord
from vit_explore.runs.references import Stored, find_stored, parse_reference
from vit_explore.runs.store import RunStore
from vit_explore.runs.stored import Reference
from vit_explore.upgrades import PLAIN_VERSION, VERSION_KEY

_LOADING = """
from safetensors.torch import load_file

model.load_state_dict(load_file({file!r}))
model.eval()
mean, std = {mean}, {std}  # of RGB pixels in [0, 1]: model((pixels - mean) / std), pixels (B, 3, {size}, {size})
"""


def exported(ref: str, home: Path | None = None, name: str = "weights") -> tuple[bytes, str]:
    """The safetensors file and the JSON of a run's or a bundled model's weights; `ref` may be RUN or RUN@STEP alone.

    name: of the safetensors file, without its ending, as the recipe in the JSON reads it. Raises BadReference, and
    ModelUnavailable for weights that are damaged.
    """
    parsed = exported_from(ref)
    if parsed.kind == "run" and (record := RunStore(home).get(parsed.name)).unreadable:
        return exported_as_stored(record, parsed.step, home)
    stored = find_stored(parsed, home)
    _check(stored)
    return stored.weights.read_bytes(), json.dumps(_card(stored, name), indent=2, ensure_ascii=False) + "\n"


def exported_from(ref: str) -> Reference:
    """What `ref` names: RUN and RUN@STEP alone are a run's. Raises BadReference for a model of timm."""
    parsed = parse_reference(ref if ":" in ref else f"run:{ref}")
    if parsed.kind == "timm":
        raise BadReference(f"{ref!r} comes from timm already; export a run or a bundled model.")
    return parsed


def exported_as_stored(record: RunRecord, step: int | None, home: Path | None) -> tuple[bytes, str]:
    """The same of a run whose settings cannot be read here: its weights, and its JSON as it is stored."""
    store = RunStore(home)
    steps = [row.step for row in store.snapshots(record.id)]
    if not steps:
        raise BadReference(f"The run {record.id!r} has no snapshot, so there are no weights to export.")
    step = steps[-1] if step is None else step
    card = {"run": record.id, "title": record.name, "step": step, **store.stored_json(record.id)}
    return store.snapshot_path(record.id, step).read_bytes(), json.dumps(card, indent=2, ensure_ascii=False) + "\n"


def export(ref: str, out: Path, home: Path | None = None, force: bool = False) -> tuple[Path, Path]:
    """Write `out`.safetensors and `out`.json (`out` with or without a suffix); gives both paths.

    force: replace files that are there. Raises BadReference for a place that cannot be written to, DiskFull.
    """
    paths = check_out(out, force)
    weights, card = exported(ref, home, paths[0].stem)
    for path, data in zip(paths, (weights, card.encode()), strict=True):
        write(path, data)
    return paths


def check_out(out: Path, force: bool = False) -> tuple[Path, Path]:
    """Where `export` would write. Raises BadReference for a place that cannot be written to."""
    stem = out.name.removesuffix(".safetensors").removesuffix(".json")
    if not stem:
        raise BadReference(f"{str(out)!r} names no file to write to; give a name, such as mine.")
    paths = out.with_name(f"{stem}.safetensors"), out.with_name(f"{stem}.json")
    check_ordinary(out)
    for path in paths:
        check_place(path, force)
    return paths


def _card(stored: Stored, name: str) -> dict[str, Any]:
    """What the weights are, in JSON's types."""
    how = stored.run.model_dump(mode="json") if stored.run is not None else {}
    recipe = timm_recipe(stored, f"{name}.safetensors")
    return {
        VERSION_KEY: PLAIN_VERSION,
        "config": stored.config.model_dump(mode="json"),
        "classes": stored.classes,
        "mean": stored.mean,
        "std": stored.std,
        **({"data": how["data"], "train": how["train"]} if how else {}),
        **stored.about,
        "timm_recipe": recipe,
        "timm_note": (
            "timm_recipe is Python that makes timm's model and loads these weights, from the folder where they lie."
            if recipe is not None
            else f"timm cannot load these weights: it has no model of the form of {stored.config.architecture}; "
            "vit_explore.load_model opens the run."
        ),
    }


def timm_recipe(stored: Stored, file: str) -> str | None:
    """Python text that makes timm's model and loads `file` into it; None where timm has no model of this form."""
    make = stored.config.card.timm_recipe
    if make is None:
        return None
    size = stored.config.image_size
    return make(stored.config) + _LOADING.format(file=file, mean=list(stored.mean), std=list(stored.std), size=size)


def _check(stored: Stored) -> None:
    """Raises ModelUnavailable for weights that are damaged, or another model's: nobody could load them."""
    import torch

    from vit_explore.models import create_model

    with torch.device("meta"):
        model = create_model(stored.config.replace(pretrained=False))
    stored.check(stored.read(), model)
