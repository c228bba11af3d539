"""Rankings as jobs: of one picture, and over validation images of the model's own data."""

from __future__ import annotations

import numpy as np

from vit_explore.config import DataConfig
from vit_explore.trust.results import Ranking
from vit_explore.ui.kit.closer import batch_of
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.session import caches
from vit_explore.ui.session.jobs import Job, Work, within

SANITY_IMAGES = 32  # of a sample; for one picture none


def of_picture(ref: str, picture: Picture) -> Job[Ranking]:
    """All methods that fit the model, on one picture, for the class that it predicts."""
    opening = caches.opening(ref)

    def work() -> Work[Ranking]:
        loaded = yield from within(opening)
        return (yield from _told(loaded, loaded.preprocess(picture.pixels), None, None, 0))

    return Job(("trust", *opening.key, picture.key), "Asking every method", work, is_long=True)


def over_images(ref: str, data: DataConfig, count: int) -> Job[Ranking]:
    """The same over the first `count` validation images, with what the labels and the masks say."""
    opening, loading = caches.opening(ref), caches.loading(data)

    def work() -> Work[Ranking]:
        loaded = yield from within(opening)
        split = (yield from within(loading)).val
        images, labels = batch_of(loaded, split, count)
        masks = None if split.masks is None else loaded.seen_masks(split.masks[:count])
        return (yield from _told(loaded, images, labels, masks, SANITY_IMAGES))

    key = ("trust", *opening.key, caches.key_of(data), str(count))
    return Job(key, f"Ranking the methods over up to {count} images", work, is_long=True)


def _told(loaded: object, images: object, labels: object, masks: np.ndarray | None, sanity: int) -> Work[Ranking]:
    from vit_explore import trust

    for step in trust.rank_steps(loaded, images, labels, masks=masks, sanity_images=sanity, precision="auto"):
        if isinstance(step, Ranking):
            return step
        yield step
    raise AssertionError("a ranking ends with its result")
