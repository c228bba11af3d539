"""Weights to take away: safetensors, with a JSON that says what they are. The bundled models have the same form."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import IO, Any

from vit_explore.errors import BadReference
from vit_explore.runs.files import write_atomically
from vit_explore.runs.records import RunRecord
from vit_explore.runs.references import Reference, find_stored, parse_reference
from vit_explore.runs.store import RunStore
from vit_explore.upgrades import CONFIG_VERSION, VERSION_KEY


def exported(ref: str, home: Path | None = None) -> tuple[bytes, str]:
    """The safetensors file and the JSON of a run's or a bundled model's weights; `ref` may be the run's id alone.

    A ViT's parameter names are timm's, so its weights load into timm's VisionTransformer.
    """
    parsed = parse_reference(ref) if ":" in ref else Reference("run", ref)
    if parsed.kind == "timm":
        raise BadReference(f"{ref!r} comes from timm already; export a run or a bundled model.")
    if parsed.kind == "run" and (record := RunStore(home).get(parsed.name)).unreadable:
        return exported_as_stored(record, parsed.step, home)
    stored = find_stored(parsed, home)
    card: dict[str, Any] = {
        VERSION_KEY: CONFIG_VERSION,
        "config": stored.config.model_dump(mode="json"),
        "classes": stored.classes,
        "mean": stored.mean,
        "std": stored.std,
        **stored.about,
    }
    return stored.weights.read_bytes(), json.dumps(card, indent=2, ensure_ascii=False) + "\n"


def exported_as_stored(record: RunRecord, step: int | None, home: Path | None) -> tuple[bytes, str]:
    """The same of a run whose settings cannot be read here: its weights, and its JSON as it is stored."""
    store = RunStore(home)
    steps = [row.step for row in store.snapshots(record.id)]
    if not steps:
        raise BadReference(f"The run {record.id!r} has no snapshot, so there are no weights to export.")
    step = steps[-1] if step is None else step
    card = {"run": record.id, "title": record.name, "step": step, **store.stored_json(record.id)}
    return store.snapshot_path(record.id, step).read_bytes(), json.dumps(card, indent=2, ensure_ascii=False) + "\n"


def export(ref: str, out: Path, home: Path | None = None) -> tuple[Path, Path]:
    """Write `out`.safetensors and `out`.json (`out` with or without a suffix); gives both paths. Raises DiskFull."""
    weights, card = exported(ref, home)
    stem = out.name.removesuffix(".safetensors").removesuffix(".json")
    if not out.parent.is_dir():
        raise BadReference(f"There is no folder {out.parent} to write to; make it, or choose another place.")
    paths = out.with_name(f"{stem}.safetensors"), out.with_name(f"{stem}.json")
    for path, data in zip(paths, (weights, card.encode()), strict=True):
        write_atomically(path, partial(_write, data))
    return paths


def _write(data: bytes, file: IO[bytes]) -> None:
    file.write(data)
