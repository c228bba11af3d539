"""The few numbers that a diagnosis wants of a model's weights; torch is imported by what it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from vit_explore.diagnosis.findings import Inside
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.results import AttentionMaps, PositionSimilarity

if TYPE_CHECKING:
    from vit_explore.runs.store import RunStore

T = TypeVar("T")


def numbers_of(step: int, similarity: PositionSimilarity | None, maps: AttentionMaps | None) -> Inside:
    """The numbers of explanations that were made already; None for one that does not fit the model."""
    from vit_explore import explain

    inside = Inside(step)
    if similarity is not None:
        inside = Inside(step, similarity.distance_correlation, similarity.noise_floor)
    if maps is None:
        return inside
    top = maps.weights.mean(axis=(0, 3)).max(axis=-1)  # (L, H), of the token that gets most over images and queries
    return Inside(step, inside.nearness, inside.noise_floor, explain.attention_entropy(maps), top)


def look_at(store: RunStore, run: str) -> Inside | None:
    """The numbers of the newest snapshot on the run's first validation image; None before there is one.

    Raises RunNotFound, BadReference, DamagedFile.
    """
    from vit_explore import explain
    from vit_explore.runs.references import load_model

    snapshots, started = store.snapshots(run), store.started(run)
    if not snapshots or started is None:
        return None
    loaded = load_model(f"run:{run}@{snapshots[-1].step}")
    picture = loaded.preprocess(started.sample_images[0].transpose(1, 2, 0))
    return numbers_of(
        snapshots[-1].step,
        _fitting(lambda: explain.position_similarity(loaded)),
        _fitting(lambda: explain.attention_maps(loaded, picture)),
    )


def _fitting(explanation: Callable[[], T]) -> T | None:
    """The explanation, or None for a model that it does not fit."""
    try:
        return explanation()
    except (NotApplicable, BadConfig):
        return None
