"""Methods against each other and against chance, image by image."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.config.train import Precision
from vit_explore.errors import BadConfig
from vit_explore.explain.deletion import area, deletion_insertion, to_pixels
from vit_explore.explain.heatmaps import HeatMethod, Question, heat_methods, methods_for, misfit
from vit_explore.explain.inputs import check_alone, module_of, ready_images, ready_labels, ready_targets
from vit_explore.explain.states import plain_pass
from vit_explore.precision import settled
from vit_explore.told import Progress
from vit_explore.trust.results import Ranking, Score
from vit_explore.trust.sanity import likeness, shuffled

__all__ = ["rank", "rank_steps"]

CHUNK = 16  # images between two looks at whether someone wants to leave
SANITY_IMAGES = 32
Explained = Literal["predicted", "label"]


@dataclass
class _Tally:
    """What a method has come to so far, a list entry for each image."""

    method: HeatMethod
    seconds: float = 0.0
    first: np.ndarray | None = None
    deletion: list[np.ndarray] = field(default_factory=list)  # (s,)
    insertion: list[np.ndarray] = field(default_factory=list)
    likeness: list[float] = field(default_factory=list)
    on_object: list[float] = field(default_factory=list)
    pointing: list[bool] = field(default_factory=list)


def rank_steps(
    model: Any,
    images: Tensor,
    labels: Any = None,
    methods: Sequence[str] | None = None,
    *,
    masks: np.ndarray | None = None,
    explained: Explained = "predicted",
    steps: int = 32,
    seed: int = 0,
    sanity_images: int = SANITY_IMAGES,
    precision: Precision = "fp32",
) -> Iterator[Progress | Ranking]:
    """As `rank`, telling its progress on the way; the last item is the Ranking."""
    net = module_of(model)
    check_alone(net)
    images = ready_images(net, images)
    _check(explained, labels)
    known = None if labels is None else ready_labels(labels, len(images))
    truths = None if masks is None else _ready_masks(masks, images)
    numbers = settled(precision, images.device)
    tallies = {name: _Tally(heat_methods.get(name)) for name in _wanted(net, images, methods)}
    stranger = shuffled(net, seed) if sanity_images else None
    fractions, hits = np.zeros(0, np.float32), 0
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        with torch.no_grad():
            predicted = ready_targets(net, plain_pass(net, images[part]), None)
        hits += 0 if known is None else int((predicted.cpu() == known[part]).sum())
        targets = known[part].to(predicted.device) if known is not None and explained == "label" else predicted
        asked = Question(net, images[part], targets, _nothing(images), steps, seed + start)
        for i, tally in enumerate(tallies.values()):
            share = (start + (i / len(tallies)) * len(targets)) / len(images)
            yield Progress(share, f"{tally.method.title}: images {start + 1} to {start + len(targets)}")
            heats, maps = _mapped(tally, asked)
            fractions, went, came = deletion_insertion(net, asked.images, heats, targets, precision=numbers)
            tally.deletion += list(went)
            tally.insertion += list(came)
            if truths is not None:
                _on_objects(tally, heats, truths[part])
            left = sanity_images - start
            if stranger is not None and left > 0:
                _compare(tally, asked, stranger, maps, left)
    yield _ranked(tallies, fractions, explained, None if known is None else hits / len(images), truths, numbers)


def rank(
    model: Any, images: Tensor, labels: Any = None, methods: Sequence[str] | None = None, **options: Any
) -> Ranking:
    """Rank heatmap methods by deletion and insertion, each beside chance (Petsiuk et al. 2018; Adebayo et al. 2018).

    images: normalised (B, 3, h, w). labels: (B,), for the accuracy, or to be explained in place of the predicted class
    with explained="label". methods: names, by default all that fit; chance is always among them. masks: where the
    object is, (B, h, w). steps: points on a path, or samples, of the methods that have some. sanity_images: so many are
    asked of a model with shuffled weights, too. precision: of the curves' passes, fp32, bf16, or auto: bf16 where the
    device is faster at it; maps are in fp32. Raises UnknownName, BadConfig, NotApplicable.
    """
    *_, result = rank_steps(model, images, labels, methods, **options)
    assert isinstance(result, Ranking)
    return result


def _wanted(net: nn.Module, images: Tensor, methods: Sequence[str] | None) -> list[str]:
    """The methods to ask, and chance as fine as each."""
    fitting = methods_for(net, images)
    names = list(fitting if methods is None else dict.fromkeys(methods))
    for name in names:
        if heat_methods.get(name).name not in fitting:
            raise misfit(heat_methods.get(name), net, fitting)
    needed = {heat_methods.get(name).chance for name in names}
    return [name for name in heat_methods.names() if name in needed or name in names]


def _mapped(tally: _Tally, asked: Question) -> tuple[np.ndarray, np.ndarray]:
    """The maps of a chunk as pixels (B, h, w), and as the method gives them."""
    begun = time.perf_counter()
    maps = tally.method.run(asked)
    tally.seconds += time.perf_counter() - begun
    tally.first = maps[0] if tally.first is None else tally.first
    h, w = int(asked.images.shape[2]), int(asked.images.shape[3])
    return np.stack([to_pixels(heat, h, w) for heat in maps]), maps


def _compare(tally: _Tally, asked: Question, stranger: nn.Module, maps: np.ndarray, left: int) -> None:
    """How alike the maps are to those of the same model without what it has learned."""
    part = slice(0, left)
    question = Question(
        stranger, asked.images[part], asked.targets[part], asked.baseline, asked.steps, asked.seed + 10_000
    )
    others = tally.method.run(question)
    tally.likeness += [likeness(one, other) for one, other in zip(maps[part], others, strict=True)]


def _on_objects(tally: _Tally, heats: np.ndarray, masks: np.ndarray) -> None:
    """Share of the positive mass within each mask, and whether the hottest pixels lie there, on the whole."""
    for heat, mask in zip(heats, masks, strict=True):
        mass = heat.clip(min=0)
        tally.on_object.append(float(mass[mask].sum() / mass.sum()) if mass.any() else float(mask.mean()))
        tally.pointing.append(bool(mask[heat == heat.max()].mean() >= 0.5))


def _ranked(
    tallies: dict[str, _Tally],
    fractions: np.ndarray,
    explained: str,
    accuracy: float | None,
    truths: np.ndarray | None,
    precision: str,
) -> Ranking:
    areas = {
        name: (area(fractions, np.stack(tally.deletion)), area(fractions, np.stack(tally.insertion)))
        for name, tally in tallies.items()
    }
    scores = [_score(name, tallies, areas) for name in tallies]
    return Ranking(
        scores=tuple(sorted(scores, key=lambda score: -score.gain)),
        fractions=fractions,
        images=len(next(iter(areas.values()))[0]),
        explained=explained,
        accuracy=accuracy,
        object_share=None if truths is None else float(truths.mean()),
        sanity_images=len(next(iter(tallies.values())).likeness),
        precision=precision,
    )


def _score(name: str, tallies: dict[str, _Tally], areas: dict[str, tuple[np.ndarray, np.ndarray]]) -> Score:
    tally, (deletion, insertion) = tallies[name], areas[name]
    lost, won = areas[tally.method.chance]
    return Score(
        method=name,
        title=tally.method.title,
        is_chance=tally.method.is_chance,
        chance=tally.method.chance,
        seconds=tally.seconds / len(deletion),
        deletion=deletion,
        insertion=insertion,
        deletion_curve=np.mean(tally.deletion, axis=0),
        insertion_curve=np.mean(tally.insertion, axis=0),
        beside_chance=(insertion - deletion) - (won - lost),
        likeness=np.array(tally.likeness),
        first=np.zeros((0, 0)) if tally.first is None else tally.first,
        on_object=np.array(tally.on_object) if tally.on_object else None,
        pointing=np.array(tally.pointing) if tally.pointing else None,
    )


def _check(explained: str, labels: Any) -> None:
    if explained not in get_args(Explained):
        raise BadConfig(f"explained = {explained!r} is not possible; choose {' or '.join(get_args(Explained))}.")
    if explained == "label" and labels is None:
        raise BadConfig('To explain the class of the label needs the labels; give them, or explained="predicted".')


def _nothing(images: Tensor) -> Tensor:
    return torch.zeros_like(images[:1])


def _ready_masks(masks: np.ndarray, images: Tensor) -> np.ndarray:
    wanted = (len(images), *images.shape[2:])
    if masks.shape != wanted:
        raise BadConfig(f"The masks have shape {masks.shape}; give {tuple(wanted)}, true where the object is.")
    return np.asarray(masks, dtype=bool)
