"""What the forms would like to know and need torch for: they paint without it, and again when it is there."""

from __future__ import annotations

from pathlib import Path

from vit_explore.config import ModelConfig, RunConfig
from vit_explore.home import home
from vit_explore.models import ModelSummary, summarise
from vit_explore.runs.foresee import foresee
from vit_explore.runs.store import RunStore
from vit_explore.training.advice import Preflight
from vit_explore.ui.kit import waiting
from vit_explore.ui.session import caches, room
from vit_explore.ui.session.jobs import Job, Work
from vit_explore.ui.session.warmup import WarmUp, warm_up


def cost(model: ModelConfig) -> ModelSummary | None:
    """Parameters and FLOPs, or None while they are being counted. Raises UnknownName, BadConfig, ModelUnavailable."""
    done = waiting.peek(_counting(model))
    return None if done is None else done.value


def wait_for_cost(model: ModelConfig) -> None:
    """Say that they are being counted, and run the page again when they are."""
    waiting.watch(_counting(model), quiet=True)


def _counting(model: ModelConfig) -> Job[ModelSummary]:
    warm = warm_up()

    def work() -> Work[ModelSummary]:
        yield from warm.waking()
        warm.load_for(model.architecture)
        return summarise(model)

    return Job(("cost", model.model_dump_json()), "Counting the parameters", work)


def preflight(config: RunConfig, is_busy: bool) -> Preflight | None:
    """What the run will ask of this machine, or None while that is found out. is_busy: another run trains.

    Raises BadConfig, BadData, ModelUnavailable, DeviceUnavailable, NotAllowed.
    """
    room.check_folder(config.data.path)
    done = waiting.peek(_foreseeing(config, is_busy), patience=0.0)
    return None if done is None else done.value


def wait_for_preflight(config: RunConfig, is_busy: bool) -> None:
    """Say that it is being found out, and run the page again when it is."""
    waiting.watch(_foreseeing(config, is_busy), quiet=True)


def _foreseeing(config: RunConfig, is_busy: bool) -> Job[Preflight]:
    warm, folder = warm_up(), home()
    config = config.update(name="", seed=0)  # these cost nothing, and make no other estimate
    return Job(
        ("preflight", str(folder), str(is_busy), config.model_dump_json(), caches.key_of(config.data)),
        "Estimating what a step costs here", lambda: _foresee(config, folder, warm),
    )  # fmt: skip


def _foresee(config: RunConfig, folder: Path, warm: WarmUp) -> Work[Preflight]:
    yield from warm.waking()
    warm.load_for(config.model.architecture)
    return foresee(config, RunStore(folder))
