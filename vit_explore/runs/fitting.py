"""`vx.fit`: training.fit, with what `init_from` names read first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vit_explore.config import RunConfig
from vit_explore.runs.initial import read_initial, resolved
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Event


def fit(config: RunConfig, should_stop: Callable[[], bool] | None = None) -> Iterator[Event]:
    """Train as `config` says, from scratch or from what `init_from` names: yields the events of training.fit.

    Raises as training.fit, and BadReference or ModelUnavailable for weights that cannot be had.
    """
    from vit_explore.training import loop

    if config.model.init_from is None:
        yield from loop.fit(config, should_stop)
        return
    store = RunStore()  # what it starts from may be a run
    config = resolved(config, store)
    yield from loop.fit(config, should_stop, read_initial(config, store))
