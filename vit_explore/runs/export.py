"""Weights to take away: safetensors, with a JSON that says what they are. The bundled models have the same form."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import IO, Any

from vit_explore.errors import BadReference
from vit_explore.runs.files import write_atomically
from vit_explore.runs.references import Reference, find_stored, parse_reference


def exported(ref: str, home: Path | None = None) -> tuple[bytes, str]:
    """The safetensors file and the JSON of a run's or a bundled model's weights; `ref` may be the run's id alone.

    A ViT's parameter names are timm's, so its weights load into timm's VisionTransformer.
    """
    parsed = parse_reference(ref) if ":" in ref else Reference("run", ref)
    if parsed.kind == "timm":
        raise BadReference(f"{ref!r} comes from timm already; export a run or a bundled model.")
    stored = find_stored(parsed, home)
    card: dict[str, Any] = {
        "config": stored.config.model_dump(mode="json"),
        "classes": stored.classes,
        "mean": stored.mean,
        "std": stored.std,
        **stored.about,
    }
    return stored.weights.read_bytes(), json.dumps(card, indent=2, ensure_ascii=False) + "\n"


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
