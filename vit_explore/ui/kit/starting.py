"""A run that starts from other weights: its settings as they follow from them."""

from __future__ import annotations

from pathlib import Path

from vit_explore.config import RunConfig
from vit_explore.home import home
from vit_explore.runs.initial import resolved
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import waiting
from vit_explore.ui.session import caches, room
from vit_explore.ui.session.jobs import Job, Work
from vit_explore.ui.session.warmup import WarmUp, warm_up


def followed(config: RunConfig) -> RunConfig:
    """The run with what follows from its `init_from`; one from scratch as it is.

    Raises BadReference, BadConfig, NotAllowed, and NotYet while timm is imported, which takes a second.
    """
    room.check_model(config.model.init_from)
    if not str(config.model.init_from or "").startswith("timm:"):
        return resolved(config, caches.store())
    return waiting.result(_following(config, str(home()), warm_up()))


def _following(config: RunConfig, folder: str, warm: WarmUp) -> Job[RunConfig]:
    def work() -> Work[RunConfig]:
        yield from warm.waking()
        warm.load("timm")
        return resolved(config, RunStore(Path(folder)))

    return Job(("start", folder, config.model_dump_json(exclude_unset=True)), "Looking at the model", work)
