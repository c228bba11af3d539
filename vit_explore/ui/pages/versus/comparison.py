"""ViT against ResNet: two runs, what differs between them besides the model, and the images on which they disagree."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vit_explore.config import RunConfig, settings
from vit_explore.runs.guesses import Guess
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.events import Finished
from vit_explore.ui.kit import wording
from vit_explore.ui.kit.curves import Curves

HALF_SIZE_COST = 0.25  # of an image of half the side, in images
TRAINING_COST = 3  # a training step costs about three forward passes: one forward, two for the gradients
AXES = {"epoch": "epochs", "elapsed": "wall time", "images_seen": "images seen", "flops": "FLOPs"}
AXIS_TITLES = {
    "epoch": "epochs",
    "elapsed": "seconds of training",
    "images_seen": "images seen",
    "flops": "FLOPs of training (3 × forward × images)",
}


def start_pair(store: RunStore, config: RunConfig, rival: str) -> tuple[str, str]:
    """Queue `config` and the same run with the architecture `rival`: same data, seeds, order of images and budget."""
    group, other = f"race-{secrets.token_hex(4)}", config.update(model=rival)
    store.check_start([config, other])
    return store.create(config, group=group), store.create(other, group=group)


def differences(one: RunConfig, other: RunConfig) -> list[str]:
    """What differs besides the model, in words; two runs can be compared fairly when this is empty."""
    on_clock = one.train.seconds is not None or other.train.seconds is not None
    shared = [setting for setting in settings().values() if setting.must_match(on_clock)]
    return [setting.words for setting in shared if setting.value(one) != setting.value(other)]


def warning(one: RunConfig, other: RunConfig) -> str | None:
    """One sentence when a comparison would not be fair."""
    found = differences(one, other)
    if not found:
        return None
    listed = found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
    return f"These two runs also differ in {listed}, so the figure compares more than the two architectures."


def race_points(curves: Curves, axis: str, record: RunRecord) -> tuple[np.ndarray, np.ndarray]:
    """x along `axis` (see AXES) and the validation top-1 (n,).

    An image of half the side costs a quarter: its patches, or pixels, are a quarter as many.
    """
    if axis != "flops":
        return curves.accuracy(axis)
    images, top1 = curves.accuracy("images_seen")
    config, full_size = record.settings(), images
    train = config.train
    if config.model.takes_half_size and train.low_res_fraction and len(images):
        used, budget = ("elapsed", train.seconds) if train.seconds else ("epoch", train.epochs)
        progress = curves.accuracy(used)[0] / float(budget or 1)
        small = np.minimum(images, np.interp(train.low_res_fraction, progress, images))
        full_size = images - small * (1 - HALF_SIZE_COST)
    return full_size * TRAINING_COST * float(record.flops or 0), top1


def latest_pair(records: list[RunRecord]) -> tuple[str | None, str | None]:
    """Two runs to show at first, of readable ones from the newest: the latest two of two families that compare fairly.

    The one that was made first comes first; where none compare fairly, the latest two of two families.
    """
    newest: dict[Any, dict[str, RunRecord]] = {}  # what two runs must share -> the newest run of each family
    for record in records:
        family = record.family
        alike = newest.setdefault(_shared(record.settings()), {})
        rival = next((other for known, other in alike.items() if known != family), None)
        if rival is not None:
            return record.id, rival.id
        alike.setdefault(family, record)
    if not records:
        return None, None
    older = partner(records[0], records)
    return (records[0].id, None) if older is None else (older, records[0].id)


def partner(record: RunRecord, records: list[RunRecord]) -> str | None:
    """The run to lay beside `record`: the newest of another family, one that compares fairly if there is any."""
    others = [other for other in records if other.family != record.family]
    fair = (other for other in others if not differences(record.settings(), other.settings()))
    best = next(fair, None) or next(iter(others), None)
    return best.id if best is not None else None


def _shared(config: RunConfig) -> tuple[Any, ...]:
    """What a run must share with another to be compared: two runs that have the same differ in nothing that counts."""
    on_clock = config.train.seconds is not None
    return tuple(setting.value(config) for setting in settings().values() if setting.must_match(on_clock))


def titles(one: RunRecord, other: RunRecord) -> tuple[str, str]:
    """What two runs are called in figures: by their models, or their names where both models are of one kind."""
    a, b = one.settings().model.card, other.settings().model.card
    if a.family != b.family and a.title != b.title:
        return a.title, b.title
    return f"{one.name} · {one.id}", f"{other.name} · {other.id}"


@dataclass(frozen=True)
class Disagreement:
    """A test image that the two models call differently."""

    index: int
    truth: int
    one: int
    other: int


def disagreements(labels: np.ndarray, one: np.ndarray, other: np.ndarray) -> list[Disagreement]:
    """The images (n,) with two answers; those where just one is right come first, alternating who is."""
    at = [int(i) for i in np.flatnonzero(one != other)]
    first = [i for i in at if one[i] == labels[i]]
    second = [i for i in at if other[i] == labels[i]]
    neither = [i for i in at if one[i] != labels[i] and other[i] != labels[i]]
    mixed: list[int] = []
    for place in range(max(len(first), len(second))):
        mixed += first[place : place + 1] + second[place : place + 1]
    return [Disagreement(i, int(labels[i]), int(one[i]), int(other[i])) for i in mixed + neither]


def guessed_winner(titles: Sequence[str], said: Sequence[Guess | None], top1: Sequence[float]) -> str:
    """Who was said to be ahead and who was, of two runs that were guessed and tested, as one sentence."""
    guesses = [guess.top1 for guess in said if guess is not None]
    guessed, came = (round(100 * (values[0] - values[1]), 1) for values in (guesses, top1))
    is_right = guessed * came > 0 or guessed == came
    return f"You said: {_ahead(titles, guessed)}. {'Right' if is_right else 'It is'}: {_ahead(titles, came)}."


def _ahead(titles: Sequence[str], points: float) -> str:
    if not points:
        return "both alike"
    return f"{titles[0] if points > 0 else titles[1]} by {abs(points):.1f} points"


def kinds(found: list[Disagreement]) -> dict[str, list[Disagreement]]:
    """The disagreements by who is right: "one", "other", "neither"."""
    return {
        "one": [d for d in found if d.one == d.truth],
        "other": [d for d in found if d.other == d.truth],
        "neither": [d for d in found if d.truth not in (d.one, d.other)],
    }


def table(records: dict[str, RunRecord], results: dict[str, Finished | None]) -> list[dict[str, Any]]:
    """One row per number, one column per run, by its title."""
    rows = {
        "Parameters": lambda record, _: wording.count(record.params),
        "FLOPs per image": lambda record, _: wording.count(record.flops),
        "Images per second": lambda record, _: wording.count(record.images_per_second),
        "Images seen": lambda record, _: wording.count(record.images_seen),
        "Validation top-1": lambda record, _: wording.percent(record.top1),
        "Test top-1": lambda _, result: wording.percent(result.test_top1 if result else None),
        "Macro F1": lambda _, result: "–" if result is None or result.macro_f1 is None else f"{result.macro_f1:.3f}",
    }
    return [
        {"": name, **{side: say(record, results.get(side)) for side, record in records.items()}}
        for name, say in rows.items()
    ]
