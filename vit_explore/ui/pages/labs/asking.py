"""A lab as a job."""

from __future__ import annotations

from vit_explore.config import DataConfig
from vit_explore.labs.base import LabProgress, LabResult
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.session import caches
from vit_explore.ui.session.jobs import Job, Progress, Work, within

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
        for step in labs.run(lab, models, split.images[:IMAGES], labels=split.labels[:IMAGES]):
            if isinstance(step, LabProgress):
                yield Progress(step.share, step.words)
            else:
                found = step
        return found

    key = ("lab", lab, *(part for opening in openings for part in opening.key), data.model_dump_json())
    return result(Job(key, "Running the lab", work, is_long=True))
