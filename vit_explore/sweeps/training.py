"""A sweep trained in this process, without a store: for Python."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from vit_explore.config import RunConfig
from vit_explore.sweeps.definition import SEEDS, Sweep, key_of
from vit_explore.sweeps.results import TRAINING_COST, Result, changed, command
from vit_explore.training.events import Evaluated, Finished, Started, Step


def trained(sweep: Sweep, seeds: Sequence[int] = SEEDS) -> Iterator[tuple[float, str, list[Result]]]:
    """Progress of the whole, in [0, 1] and in words, with the results that are new: one for each cell of a run.

    Raises what `fit` raises.
    """
    runs = sweep.runs(seeds)
    for number, config in enumerate(runs):
        for share, results in _trained(sweep, config, command(sweep, seeds)):
            words = f"run {number + 1} of {len(runs)}: {config.name.rpartition(' · ')[0]}"
            yield (number + share) / len(runs), words, results


def _trained(sweep: Sweep, config: RunConfig, command: str) -> Iterator[tuple[float, list[Result]]]:
    """One run: its progress, at each look, and at its end its results."""
    from vit_explore.training import fit

    looks: list[Evaluated] = []
    started, share = None, 0.0
    for event in fit(config):
        if isinstance(event, Started):
            started = event
        elif isinstance(event, Step):
            share = event.progress
        elif isinstance(event, Evaluated) and event.split == "val":
            looks.append(event)
            yield share, []
        elif isinstance(event, Finished) and started is not None:
            yield 1.0, _results(sweep, config, started, event, looks, command)


def _results(
    sweep: Sweep, config: RunConfig, started: Started, end: Finished, looks: Sequence[Evaluated], command: str
) -> list[Result]:
    key = key_of(config)
    cells = [cell for cell in sweep.cells if key_of(cell.config, config.train.seed) == key]
    curve = tuple((round(look.epoch, 4), round(look.loss, 5), round(look.top1, 5)) for look in looks)
    return [
        Result(
            cell.row, cell.column, config.train.seed, end.test_top1 or 0.0, end.val_top1, end.test_images,
            started.train_size, end.images_seen, float(TRAINING_COST * end.flops * end.images_seen), end.params,
            round(end.train_seconds, 2), end.device, started.precision, time.strftime("%Y-%m-%d"), command,
            changed(config), curve,
        )
        for cell in cells
    ]  # fmt: skip
