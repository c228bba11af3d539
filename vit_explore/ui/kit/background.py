"""What the forms would like to know and need torch for: they paint without it, and again when it is there."""

from __future__ import annotations

from vit_explore.cards import cards
from vit_explore.config import ModelConfig
from vit_explore.models import ModelSummary, summarise
from vit_explore.ui.kit import waiting
from vit_explore.ui.session.jobs import Job, Work
from vit_explore.ui.session.warmup import warm_up


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
        if model.architecture not in cards:
            warm.load("timm")
        return summarise(model)

    return Job(("cost", model.model_dump_json()), "Counting the parameters", work)
