"""Looks inside as jobs: the explain functions, keyed by the model's full reference and the picture's SHA-256.

Each call gives the result, or draws the progress of its job and raises NotYet. Results are shared by all sessions, so
their arrays are read-only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import streamlit as st

from vit_explore import explain
from vit_explore.config import DataConfig
from vit_explore.errors import NotApplicable
from vit_explore.explain.results import AttentionMaps, FilterComponents, PositionSimilarity
from vit_explore.home import home
from vit_explore.ui.kit import panel
from vit_explore.ui.kit.errors import friendly
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.session import caches
from vit_explore.ui.session.choice import Choice
from vit_explore.ui.session.jobs import Job, Progress, Work, within
from vit_explore.ui.session.warmup import WarmUp, warm_up

if TYPE_CHECKING:
    from vit_explore.runs.references import LoadedModel

T = TypeVar("T")
DATA_IMAGES = 32
_SHOWN_SIDE = 448  # pixels of the picture under a map, at most: finer than what the model sees
_MANY = 8  # snapshots; more of them are a long job


@dataclass(frozen=True)
class AttentionNumbers:
    """distances: (L, H) pixels; uniform: the distance of attention spread evenly; entropies: (L, H) in [0, 1].

    on_object: (L, H) in [0, 1], and area, the object's share of the picture, where its place is known.
    """

    distances: np.ndarray
    uniform: float
    entropies: np.ndarray
    on_object: np.ndarray | None = None
    area: float = 0.0


def open_or_stop(ref: str, *explanations: str) -> None:
    """Open the model; while it is not there, or where it cannot be opened, say so and end the script.

    explanations: the rows of EXPLANATIONS that the page's panel explains, here too.
    """
    with friendly():
        model(ref)
        if ref.endswith("@random"):
            st.info(
                "These weights are random: an untrained model, whose answers mean nothing.", icon=":material/casino:"
            )
        return
    panel.panel(*(panel.of_explanation(name) for name in explanations))
    st.stop()


def model(ref: str) -> LoadedModel:
    """The model behind a full reference."""
    return result(caches.opening(ref))


def positions(ref: str) -> PositionSimilarity:
    """position_similarity of the model."""
    folder, warm = str(home()), warm_up()

    def work() -> Work[PositionSimilarity]:
        return explain.position_similarity((yield from _briefly(ref, folder, warm)))

    return result(Job(("positions", folder, ref), "Comparing the position embeddings", work))


def filters(choice: Choice, step: int | None) -> FilterComponents:
    """filter_components at a step; order and signs follow the later snapshots, so that sliding does not flicker.

    The latest one has the natural order, the largest variance first.
    """
    steps = [s for s in reversed(choice.steps) if step is not None and s >= step]
    return result(_filters(tuple(choice.at(s) for s in steps) or (choice.ref,), str(home()), warm_up()))


def attention(ref: str, picture: Picture) -> AttentionMaps:
    """attention_maps of the model on the picture, one image. Raises NotApplicable, also for maps too large to show."""
    return result(_attention(ref, picture))


def probabilities(ref: str, picture: Picture) -> np.ndarray:
    """Softmax over the classes, (C,)."""
    return result(asking("probabilities", "Asking the model", ref, picture, _probabilities))


def attention_numbers(ref: str, picture: Picture, data: DataConfig | None, renormalise: bool) -> AttentionNumbers:
    """Distance and entropy of each head, on the picture, or the mean over validation images of `data`."""
    opening, loading = caches.opening(ref), None if data is None else caches.loading(data)

    def work() -> Work[AttentionNumbers]:
        loaded = yield from within(opening)
        images, masks = [picture.pixels], None
        if loading is not None:
            split = (yield from within(loading)).val
            images = list(split.images[:DATA_IMAGES].transpose(0, 2, 3, 1))
            masks = None if split.masks is None else loaded.seen_masks(split.masks[:DATA_IMAGES])
        return (yield from _attention_numbers(loaded, images, renormalise, masks))

    about = picture.key if data is None else caches.key_of(data)
    key = ("numbers", *opening.key, about, str(renormalise))
    return result(Job(key, "Measuring the heads", work, is_long=data is not None))


def rollout(ref: str, picture: Picture, fusion: str, discard: float, start: int) -> np.ndarray:
    """attention_rollout, (gh, gw)."""
    attention = _attention(ref, picture)

    def work() -> Work[np.ndarray]:
        maps = yield from within(attention)
        return explain.attention_rollout(maps, head_fusion=fusion, discard_ratio=discard, start_layer=start)[0]

    return result(Job(("rollout", *attention.key, fusion, str(discard), str(start)), "Multiplying the layers", work))


def heat(name: str, ref: str, picture: Picture, target: int | None, layer: str | None = None) -> np.ndarray:
    """relevance (gh, gw), or grad_cam (h, w) at a layer, of a class, the predicted one where `target` is None."""

    def ask(model: LoadedModel, pixels: np.ndarray) -> np.ndarray:
        if name == "relevance":
            return explain.relevance(model, model.preprocess(pixels), target)[0]
        return explain.grad_cam(model, model.preprocess(pixels), target, layer)[0]

    return result(asking(name, "Following the gradient", ref, picture, ask, str(target), str(layer)))


def grad_cam_layers(ref: str) -> list[str]:
    """The layers that grad_cam may be asked about, the default first."""
    opening = caches.opening(ref)

    def work() -> Work[list[str]]:
        return explain.grad_cam_layers((yield from within(opening)))

    return result(Job(("layers", *opening.key), "Looking at the layers", work))


def semantic_tokens(ref: str, picture: Picture) -> np.ndarray:
    """Where the tokens of each module gather on the picture, (M, T, y, x). Raises NotApplicable."""

    def ask(model: LoadedModel, pixels: np.ndarray) -> np.ndarray:
        return explain.semantic_tokens(model, model.preprocess(pixels)).maps[0]

    return result(asking("semantic_tokens", "Gathering the tokens", ref, picture, ask))


def seen(ref: str, picture: Picture, size: int | None = None) -> np.ndarray:
    """The part of the picture that the model sees, uint8 (size, size, 3); without a size in the model's own."""
    return model(ref).seen(picture.pixels, size)


def under_maps(ref: str, picture: Picture) -> np.ndarray:
    """The part of the picture that the model sees, in a finer resolution: what lies under the maps."""
    return seen(ref, picture, min(_SHOWN_SIDE, *picture.pixels.shape[:2]))


def gathers_tokens(ref: str) -> bool:
    """Whether the model has semantic tokens."""
    from vit_explore.explain.geometry import has_semantic_tokens

    return has_semantic_tokens(model(ref).model)


def check_tokens(ref: str) -> None:
    """Raises NotApplicable for a model that keeps no sequence of patch tokens."""
    from vit_explore.explain.geometry import geometry

    geometry(model(ref).model)


def keeps_tokens(ref: str) -> bool:
    """Whether the model keeps a sequence of patch tokens, as a CNN does not."""
    try:
        check_tokens(ref)
    except NotApplicable:
        return False
    return True


def check_classes(ref: str) -> None:
    """Raises NotApplicable for a model that gives features and no answer."""
    loaded = model(ref)
    if not loaded.classes:
        raise NotApplicable(
            f"{title_of(ref)} has no classes: it was published without a classification head, and gives features in "
            "place of an answer."
        )


def predicted(ref: str, picture: Picture) -> int:
    """The most probable class. Raises NotApplicable for a model without classes."""
    check_classes(ref)
    return int(probabilities(ref, picture).argmax())


def title_of(ref: str) -> str:
    """How a model is called in a sentence about it."""
    kind, _, name = ref.partition("@")[0].partition(":")
    return f"timm's {name}" if kind == "timm" else f"The model {name}"


def top_classes(ref: str, picture: Picture, count: int = 5) -> list[tuple[str, float]]:
    """The most probable classes with their probability, the first first. Raises NotApplicable without any."""
    check_classes(ref)
    values, classes = probabilities(ref, picture), model(ref).classes
    best = np.argsort(values)[::-1][:count]
    return [(classes[i] if i < len(classes) else f"class {i}", float(values[i])) for i in best]


def asking(
    name: str, title: str, ref: str, picture: Picture, ask: Callable[[LoadedModel, np.ndarray], T], *about: str
) -> Job[T]:
    """What `ask` says of a model and a picture's pixels."""
    opening = caches.opening(ref)

    def work() -> Work[T]:
        loaded = yield from within(opening)
        yield Progress(0.5)
        return ask(loaded, picture.pixels)

    return Job((name, *opening.key, picture.key, *about), title, work)


def _attention(ref: str, picture: Picture) -> Job[AttentionMaps]:
    def ask(model: LoadedModel, pixels: np.ndarray) -> AttentionMaps:
        return explain.attention_maps(model, model.preprocess(pixels))

    return asking("attention", "Capturing the attention", ref, picture, ask)


def _probabilities(model: LoadedModel, pixels: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return model.model(model.preprocess(pixels))[0].float().softmax(-1).cpu().numpy()


def _attention_numbers(
    model: LoadedModel, images: list[np.ndarray], renormalise: bool, masks: np.ndarray | None
) -> Work[AttentionNumbers]:
    """Image by image, for the maps are large."""
    from vit_explore.explain.geometry import geometry

    cell, distances, entropies, shares, uniform = geometry(model.model).patch_size, [], [], [], 0.0
    for i, image in enumerate(images):
        yield Progress(i / len(images), f"image {i + 1} of {len(images)}")
        maps = explain.attention_maps(model, model.preprocess(image))
        distances.append(explain.attention_distance(maps, cell, renormalise=renormalise))
        entropies.append(explain.attention_entropy(maps))
        uniform = explain.uniform_attention_distance(maps, cell, renormalise=renormalise)
        if masks is not None and masks[i].any():
            shares.append(explain.attention_on_object(maps, masks[i : i + 1]))
    on_object = np.mean(shares, axis=0) if shares else None
    area = 0.0 if masks is None else explain.object_share(masks)
    return AttentionNumbers(np.mean(distances, axis=0), uniform, np.mean(entropies, axis=0), on_object, area)


def _filters(refs: tuple[str, ...], folder: str, warm: WarmUp) -> Job[FilterComponents]:
    """Of the last of `refs`, which lead from the latest snapshot back to it; each on the way is kept."""

    def work() -> Work[FilterComponents]:
        previous = None
        for i in range(1, len(refs)):
            shown = Progress(i / len(refs), f"snapshot {i} of {len(refs)}")
            previous = yield from within(_filters(refs[:i], folder, warm), shown)
        loaded = yield from _briefly(refs[-1], folder, warm)
        return explain.filter_components(loaded, previous=previous)

    return Job(("filters", folder, *refs), "Finding the filters' components", work, is_long=len(refs) > _MANY)


def _briefly(ref: str, folder: str, warm: WarmUp) -> Work[LoadedModel]:
    """A model to look at once: a snapshot takes no place among the opened ones."""
    if ref.startswith("timm:"):
        return (yield from within(caches.opening_in(ref, folder, warm)))
    return (yield from caches.open_model(ref, folder, warm))
