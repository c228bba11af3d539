"""A lab as a job."""

from __future__ import annotations

from vit_explore.config import DataConfig
from vit_explore.labs.base import LabResult
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.session import caches
from vit_explore.ui.session.jobs import Job, Work, within

IMAGES = 512  # of the validation split


def outcome(lab: str, refs: tuple[str, ...], data: DataConfig) -> LabResult:
    """What the lab says of the models on validation images of these data."""
    openings, loading = [caches.opening(ref) for ref in refs], caches.loading(data)

    def work() -> Work[LabResult]:
        from vit_explore import labs

        split = (yield from within(loading)).val
        models = []
        for opening in openings:
            models.append((yield from within(opening)))
        masks = None if split.masks is None else split.masks[:IMAGES]
        for step in labs.run(lab, models, split.images[:IMAGES], labels=split.labels[:IMAGES], masks=masks):
            if isinstance(step, LabResult):
                return step
            yield step
        raise AssertionError("a lab ends with its result")

    key = ("lab", lab, *(part for opening in openings for part in opening.key), caches.key_of(data))
    return result(Job(key, "Running the lab", work, is_long=True))
