"""Ask each snapshot of a run the same questions about one picture."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from vit_explore.errors import BadConfig, BadReference, NotApplicable
from vit_explore.runs.references import find_stored, load_model, parse_reference, snapshot_steps
from vit_explore.told import Progress, told

if TYPE_CHECKING:
    from vit_explore.explain.results import FilterComponents
    from vit_explore.runs.loaded import LoadedModel

MAX_FRAMES = 40  # snapshots; of more, some from everywhere
MAX_BLOCKS = 12
T = TypeVar("T")


@dataclass(frozen=True)
class Moment:
    """One snapshot. What a model of its kind does not have is None. L blocks, H heads, (gh, gw) patches."""

    step: int
    probabilities: np.ndarray  # (C,)
    positions: np.ndarray | None  # (gh, gw, gh, gw) cosine of the position embeddings
    filters: np.ndarray | None  # (k, P, P, 3) in [0, 1]; order and signs follow the last snapshot
    attention: np.ndarray | None  # (L, gh, gw) of the tokens that the head reads, mean of them and of the heads
    lens: np.ndarray | None  # (L, gh, gw) probability of the followed class, read from each patch after each block
    distances: np.ndarray | None  # (L, H) pixels
    entropies: np.ndarray | None  # (L, H) in [0, 1]
    grad_cam: np.ndarray | None  # (h, w), of a model without attention from patch to patch


@dataclass(frozen=True)
class Film:
    """The moments of a model, the earliest first, on `picture`, uint8 (h, w, 3).

    followed: the class that the last snapshot predicts, which lens and Grad-CAM are about; blocks: the numbers, from 1,
    of the blocks whose maps are kept, MAX_BLOCKS at most; uniform: the distance of attention spread evenly, in pixels.
    """

    ref: str
    classes: tuple[str, ...]
    followed: int
    picture: np.ndarray
    blocks: tuple[int, ...]
    uniform: float
    moments: tuple[Moment, ...]

    @property
    def steps(self) -> tuple[int, ...]:
        """The training steps of the moments."""
        return tuple(moment.step for moment in self.moments)

    @property
    def last(self) -> Moment:
        """The end of training so far."""
        return self.moments[-1]

    def has(self, name: str) -> bool:
        """Whether every moment has this; of weights that are no numbers any more, few things can be said."""
        return all(getattr(moment, name) is not None for moment in self.moments)


def record(ref: str, picture: Any, home: Path | None = None, frames: int = MAX_FRAMES) -> Film:
    """The film of a run's or a bundled model's snapshots on a picture (array, PIL image, path or bytes).

    Raises BadImage, BadReference, NotApplicable for a model with fewer than two snapshots, BadConfig for one frame.
    """
    from vit_explore.data.images import load_image

    return told(record_steps(ref, load_image(picture), home, frames), lambda _: None)


def record_steps(
    ref: str, picture: np.ndarray, home: Path | None = None, frames: int = MAX_FRAMES
) -> Generator[Progress, None, Film]:
    """`record` of a picture uint8 (h, w, 3), bit by bit: yields its progress and returns the film."""
    base, steps = frames_of(ref, home, frames)
    moments: list[Moment] = []
    last: _Asked | None = None
    previous: FilterComponents | None = None
    for done, step in enumerate(reversed(steps)):  # the last first: it says which class is followed
        yield Progress(done / len(steps), f"step {step:,}")
        try:
            loaded = load_model(f"{base}@{step}", home)
        except BadReference:  # a run in training thins its snapshots out
            continue
        last = last or _Asked.of(loaded, picture)
        moment, previous = last.moment(loaded, step, picture, previous)
        moments.append(moment)
    if last is None or len(moments) < 2:
        raise BadReference(f"The snapshots of {base} are gone; wait for new ones and try again.")
    return Film(
        base, last.classes, last.followed, last.seen, last.blocks, last.uniform, tuple(reversed(moments))
    )  # fmt: skip


def frames_of(ref: str, home: Path | None = None, frames: int = MAX_FRAMES) -> tuple[str, list[int]]:
    """The reference without a step, and the steps that a film of it shows. Raises as `record`, without its picture."""
    base = ref.partition("@")[0]
    parsed = parse_reference(base)
    if parsed.kind != "timm":
        find_stored(parsed, home)  # says what is wrong with a name
    return base, _chosen(base, snapshot_steps(base, home), frames)


def _chosen(base: str, steps: list[int], frames: int) -> list[int]:
    """At most `frames` of the steps, the first and the last among them."""
    if frames < 2:
        raise BadConfig(f"A film of {frames} frames is not possible: at least 2 are needed.")
    if len(steps) < 2:
        found = f"has {len(steps)}" if steps else "has none"
        raise NotApplicable(f"A film needs the snapshots of a training, and {base} {found}; choose a run of yours.")
    places = np.unique(np.linspace(0, len(steps) - 1, min(frames, len(steps))).round().astype(int))
    return [steps[i] for i in places]


@dataclass(frozen=True)
class _Asked:
    """What all moments have in common, as the last snapshot says."""

    classes: tuple[str, ...]
    followed: int
    seen: np.ndarray
    blocks: tuple[int, ...]
    uniform: float

    @classmethod
    def of(cls, loaded: LoadedModel, picture: np.ndarray) -> _Asked:
        from vit_explore import explain
        from vit_explore.explain.geometry import geometry

        def evenly() -> tuple[int, float]:
            maps = explain.attention_maps(loaded, loaded.preprocess(picture))
            cell = geometry(loaded.model).patch_size
            return maps.weights.shape[1], explain.uniform_attention_distance(maps, cell)

        layers, uniform = _if_it_fits(evenly) or (0, 0.0)
        blocks = np.unique(np.linspace(1, max(layers, 1), min(max(layers, 1), MAX_BLOCKS)).round().astype(int))
        return cls(
            loaded.classes, int(_probabilities(loaded, picture).argmax()), loaded.seen(picture),
            tuple(blocks.tolist()), uniform,
        )  # fmt: skip

    def moment(
        self, loaded: LoadedModel, step: int, picture: np.ndarray, previous: FilterComponents | None
    ) -> tuple[Moment, FilterComponents | None]:
        from vit_explore import explain
        from vit_explore.explain.geometry import geometry

        images, chosen = loaded.preprocess(picture), np.array(self.blocks) - 1
        maps = _if_it_fits(lambda: explain.attention_maps(loaded, images))
        filters = _if_it_fits(lambda: explain.filter_components(loaded, previous=previous))
        positions = _if_it_fits(lambda: explain.position_similarity(loaded))
        lens = _if_it_fits(lambda: explain.logit_lens(loaded, images))
        attention = distances = entropies = cam = None
        if maps is not None:
            weights = maps.weights[0].mean(axis=1)[chosen]  # (L, N, N)
            rows = weights[:, maps.read].mean(axis=1)
            attention = rows[:, maps.n_prefix :].reshape(-1, *maps.grid)
            distances = explain.attention_distance(maps, geometry(loaded.model).patch_size)
            entropies = explain.attention_entropy(maps)
            if lens is not None:
                lens = lens[0, chosen, maps.n_prefix :, self.followed].reshape(-1, *maps.grid)
        else:
            lens = None
            cam = _if_it_fits(lambda: explain.grad_cam(loaded, images, self.followed)[0])
        similar, pictures = positions and positions.values, filters and filters.images
        odds = _probabilities(loaded, picture) if maps is None else _softmax(maps.logits[0])
        return Moment(step, odds, similar, pictures, attention, lens, distances, entropies, cam), filters


def _probabilities(loaded: LoadedModel, picture: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return _softmax(loaded.model(loaded.preprocess(picture))[0].float().cpu().numpy())


def _softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits.astype(np.float64) - logits.max())
    return (odds / odds.sum()).astype(np.float32)


def _if_it_fits(ask: Callable[[], T]) -> T | None:
    """The answer, or None where the question does not fit the model, or its maps are too large to keep."""
    try:
        return ask()
    except (NotApplicable, BadConfig):
        return None
