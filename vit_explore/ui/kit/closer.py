"""Closer looks inside as jobs, as those of `looking`: attributions, the logit lens, token norms, heads switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vit_explore import explain
from vit_explore.config import DataConfig
from vit_explore.explain.results import AttentionMaps, TokenNorms, WeightInNumbers
from vit_explore.ui.kit import looking
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.waiting import result
from vit_explore.ui.session import caches
from vit_explore.ui.session.jobs import Job, Progress, Work, report, within

if TYPE_CHECKING:
    from torch import Tensor

    from vit_explore.data import Split
    from vit_explore.explain.geometry import Geometry
    from vit_explore.explain.heatmaps import HeatMethod
    from vit_explore.runs.references import LoadedModel
    from vit_explore.trust.outsiders import Meter, Strangeness
    from vit_explore.trust.results import Reliability

KNOWN, RELIABILITY_IMAGES, NEIGHBOURS = 1000, 5000, 6
Heads = tuple[tuple[int, int], ...]


def batch_of(loaded: LoadedModel, split: Split, count: int) -> tuple[Tensor, np.ndarray]:
    """The first `count` images of a split as the model sees them, (n, 3, h, w), and their labels."""
    import torch

    pictures = [np.ascontiguousarray(one) for one in split.images[:count].transpose(0, 2, 3, 1)]
    return torch.cat([loaded.preprocess(one) for one in pictures]), split.labels[:count]


def attributions(ref: str) -> dict[str, HeatMethod]:
    """The attribution methods that fit the model, by name; a job, for some take a pass to tell."""
    opening = caches.opening(ref)

    def work() -> Work[dict[str, HeatMethod]]:
        from vit_explore.explain import heatmaps

        loaded = yield from within(opening)
        return {name: heatmaps.heat_methods.get(name) for name in explain.attribution_methods(loaded)}

    return result(Job(("attribution_methods", *opening.key), "Looking which methods fit", work))


def attribution(ref: str, picture: Picture, target: int, method: str) -> np.ndarray:
    """Signed attribution to the pixels, (h, w), of a class."""
    opening = caches.opening(ref)

    def work() -> Work[np.ndarray]:
        loaded = yield from within(opening)
        images, seen = loaded.preprocess(picture.pixels), 0
        total = explain.passes_of(loaded, images, method)

        def told(count: int) -> None:
            nonlocal seen
            seen += count
            report(f"{min(seen, total)} of {total} passes", min(1.0, seen / total))

        return explain.attribution(loaded, images, method, target, told=told)[0]

    return result(Job(("attribution", *opening.key, picture.key, str(target), method), "Asking the pixels", work))


def heat_methods(ref: str) -> dict[str, HeatMethod]:
    """Every method that makes a heatmap of this model, chance too, by name."""
    opening = caches.opening(ref)

    def work() -> Work[dict[str, HeatMethod]]:
        from vit_explore.explain import heatmaps

        loaded = yield from within(opening)
        blank = loaded.preprocess(np.zeros((loaded.image_size, loaded.image_size, 3), np.uint8))
        return {name: heatmaps.heat_methods.get(name) for name in heatmaps.methods_for(loaded.model, blank)}

    return result(Job(("heat_methods", *opening.key), "Looking which methods fit", work))


def heatmap(ref: str, picture: Picture, target: int | None, method: str) -> np.ndarray:
    """The map of a method by its name, of a class, the predicted one where `target` is None."""

    def ask(model: LoadedModel, pixels: np.ndarray) -> np.ndarray:
        return explain.heatmap(model, model.preprocess(pixels), method, target)[0]

    return result(looking.asking("heatmap", "Colouring the picture", ref, picture, ask, str(target), method))


def lens(ref: str, picture: Picture) -> np.ndarray:
    """logit_lens of the model on the picture, (1, L, N, C). Raises NotApplicable."""

    def ask(model: LoadedModel, pixels: np.ndarray) -> np.ndarray:
        return explain.logit_lens(model, model.preprocess(pixels))

    return result(looking.asking("lens", "Reading every layer", ref, picture, ask))


def tokens_of(ref: str) -> Geometry:
    """Where the model's tokens lie. Raises NotApplicable."""
    from vit_explore.explain.geometry import geometry

    loaded = looking.model(ref)
    return geometry(loaded.model, (loaded.image_size, loaded.image_size))


def layer_count(ref: str) -> int:
    """How many blocks the model has."""
    from vit_explore.explain.geometry import block_names

    return len(block_names(looking.model(ref).model))


def norms(ref: str, picture: Picture) -> TokenNorms:
    """token_norms of the model on the picture. Raises NotApplicable."""

    def ask(model: LoadedModel, pixels: np.ndarray) -> TokenNorms:
        return explain.token_norms(model, model.preprocess(pixels))

    return result(looking.asking("norms", "Measuring the tokens", ref, picture, ask))


def weight(ref: str, picture: Picture, place: tuple[int, int, int, int]) -> WeightInNumbers:
    """attention_weight of the model on the picture at (layer, head, query, key). Raises NotApplicable."""

    def ask(model: LoadedModel, pixels: np.ndarray) -> WeightInNumbers:
        return explain.attention_weight(model, model.preprocess(pixels), *place)

    return result(looking.asking("weight", "Multiplying queries and keys", ref, picture, ask, str(place)))


def attention_without(ref: str, picture: Picture, heads: Heads) -> AttentionMaps:
    """attention_maps of the model on the picture with heads, (layer, head) from 0, switched off."""

    def ask(model: LoadedModel, pixels: np.ndarray) -> AttentionMaps:
        return explain.attention_maps(model, model.preprocess(pixels), heads)

    return result(looking.asking("without", "Switching heads off", ref, picture, ask, str(heads)))


@dataclass(frozen=True)
class Familiar:
    """What a model knows: its meter, and features (n, D) and places of the training images that stand for the rest."""

    meter: Meter
    features: np.ndarray
    train: Split


def strangeness(ref: str, picture: Picture, data: DataConfig) -> tuple[Strangeness, list[tuple[int, float]], Familiar]:
    """How strange the picture is to the model, and the nearest training images: (place, cosine)."""
    known = _familiar(ref, data)
    opening = caches.opening(ref)

    def work() -> Work[tuple[Strangeness, list[tuple[int, float]]]]:
        from vit_explore import trust

        loaded, familiar = (yield from within(opening)), (yield from within(known))
        logits, features = trust.features_of(loaded, loaded.preprocess(picture.pixels))
        places, cosines = trust.nearest(features[0], familiar.features, NEIGHBOURS)
        near = [(int(place), float(cosine)) for place, cosine in zip(places, cosines, strict=True)]
        return familiar.meter.of(logits, features), near

    key = ("strange", *opening.key, picture.key, caches.key_of(data))
    is_long = caches.pool().kept(known) is None  # what it is held against is worked out first, once for a model
    return *result(Job(key, "Asking whether it knows such pictures", work, is_long=is_long)), result(known)


def _familiar(ref: str, data: DataConfig) -> Job[Familiar]:
    opening, loading = caches.opening(ref), caches.loading(data)

    def work() -> Work[Familiar]:
        from vit_explore import trust

        loaded, dataset = (yield from within(opening)), (yield from within(loading))
        yield Progress(0.1, "validation images")
        meter = trust.meter_of(loaded, *batch_of(loaded, dataset.val, KNOWN))
        train, parts = dataset.train, []
        for start in range(0, len(train), KNOWN):
            yield Progress(0.3 + 0.7 * start / len(train), "training images")
            part = train.take(np.arange(start, min(start + KNOWN, len(train))))
            parts.append(trust.features_of(loaded, batch_of(loaded, part, KNOWN)[0])[1])
        return Familiar(meter, np.concatenate(parts), train)

    key = ("familiar", *opening.key, caches.key_of(data))
    return Job(key, "Looking at what it was trained on", work, is_long=True)


def reliability(ref: str, data: DataConfig) -> Reliability:
    """How sure the model is of its validation images, and how often right."""
    opening, loading = caches.opening(ref), caches.loading(data)

    def work() -> Work[Reliability]:
        from vit_explore import trust

        loaded = yield from within(opening)
        images, labels = batch_of(loaded, (yield from within(loading)).val, RELIABILITY_IMAGES)
        yield Progress(0.4, "asking for its answers")
        logits = trust.features_of(loaded, images)[0].astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return trust.reliability(odds / odds.sum(axis=1, keepdims=True), labels)

    key = ("reliability", *opening.key, caches.key_of(data))
    return result(Job(key, "Comparing how sure it is with how often it is right", work, is_long=True))


def ablation(ref: str, data: DataConfig, count: int) -> np.ndarray:
    """head_ablation, (L, H), over the first `count` validation images of the data. Raises NotApplicable."""
    opening, loading = caches.opening(ref), caches.loading(data)

    def work() -> Work[np.ndarray]:
        loaded = yield from within(opening)
        images, labels = batch_of(loaded, (yield from within(loading)).val, count)
        lost = np.zeros((0, 0), np.float32)
        for share, lost in explain.head_ablation_steps(loaded, images, labels):
            yield Progress(share, f"{int((~np.isnan(lost)).sum())} of {lost.size} heads")
        return lost

    key = ("ablation", *opening.key, caches.key_of(data), str(count))
    return result(Job(key, f"Switching off one head after another over up to {count:,} images", work, is_long=True))
