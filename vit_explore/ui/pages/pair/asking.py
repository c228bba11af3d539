"""What two models are asked together, as jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vit_explore import explain
from vit_explore.config import DataConfig
from vit_explore.explain.results import ReceptiveFields
from vit_explore.ui.kit.closer import batch_of
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.session import caches
from vit_explore.ui.session.jobs import Job, Progress, Work, within

if TYPE_CHECKING:
    from torch import Tensor

    from vit_explore.runs.references import LoadedModel

Pair = tuple[str, str]


def layers(refs: Pair, data: DataConfig, count: int) -> tuple[dict[Pair, np.ndarray], int]:
    """CKA of all layers: of the first with itself, of the second, and of the two, by pairs of references; and over how
    many images, `count` at most."""
    openings, loading = [caches.opening(ref) for ref in refs], caches.loading(data)

    def work() -> Work[tuple[dict[Pair, np.ndarray], int]]:
        split = (yield from within(loading)).val
        models: list[LoadedModel] = []
        for opening in openings:
            models.append((yield from within(opening)))
        batches: list[Tensor] = [batch_of(model, split, count)[0] for model in models]
        found: dict[Pair, np.ndarray] = {}
        pairs = ((0, 0), (1, 1), (0, 1))
        for at, (i, j) in enumerate(pairs):
            images = batches[i] if i == j else (batches[i], batches[j])
            for share, matrix in explain.cka_steps(models[i], models[j], images):
                found[refs[i], refs[j]] = matrix
                yield Progress((at + share) / len(pairs), f"{at + 1} of {len(pairs)}")
        return found, len(batches[0])

    key = ("cka", *openings[0].key, *openings[1].key, caches.key_of(data), str(count))
    return result(Job(key, f"Comparing all layers over up to {count} images", work, is_long=True))


def names_of(ref: str) -> list[str]:
    """The layers that are compared."""
    opening = caches.opening(ref)

    def work() -> Work[list[str]]:
        return explain.compared_layers((yield from within(opening)))

    return result(Job(("compared", *opening.key), "Looking at the layers", work))


def fields(ref: str, data: DataConfig, count: int) -> ReceptiveFields:
    """Receptive fields of a CNN, measured on validation images. Raises NotApplicable."""
    opening, loading = caches.opening(ref), caches.loading(data)

    def work() -> Work[ReceptiveFields]:
        loaded = yield from within(opening)
        split = (yield from within(loading)).val
        yield Progress(0.2, "following the gradients")
        return explain.receptive_field(loaded, batch_of(loaded, split, count)[0])

    key = ("fields", *opening.key, caches.key_of(data), str(count))
    return result(Job(key, "Measuring how far it sees", work, is_long=True))
