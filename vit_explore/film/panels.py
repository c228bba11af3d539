"""A film as panels: pictures and numbers, frame by frame, in the colours of the pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vit_explore.film.recording import Film
from vit_explore.plots import theme
from vit_explore.plots.canvas import mosaic
from vit_explore.plots.heat import blended

TILE = 96  # pixels of a map over the picture
NAMED = 5  # classes whose probability is drawn


@dataclass(frozen=True)
class Pictures:
    """frames: uint8 (h, w, 3 or 4), all of one size; columns: parts side by side; labels: of the parts, row by row."""

    name: str
    title: str
    about: str  # what is to be seen, in a sentence
    frames: tuple[np.ndarray, ...]
    columns: int = 1
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dots:
    """A dot for each head of each layer: values (frames, L, H), from 0 to `top`; line: a value to compare with."""

    name: str
    title: str
    about: str
    values: np.ndarray
    top: float
    unit: str
    line: float | None = None


@dataclass(frozen=True)
class Bars:
    """Probabilities (frames, n) of the named classes; marked: the one that lens and Grad-CAM follow."""

    name: str
    title: str
    about: str
    names: tuple[str, ...]
    values: np.ndarray
    marked: int


Panel = Pictures | Dots | Bars


def panels(film: Film) -> list[Panel]:
    """What the film shows, in the order of the page."""
    found = (_answers(film), *_over_the_picture(film), *_of_the_weights(film), *_of_the_heads(film))
    return [panel for panel in found if panel is not None]


def missing(film: Film) -> list[str]:
    """What this model does not have, in words."""
    names = {
        "position embeddings": "positions", "attention from patch to patch": "attention", "a logit lens": "lens",
        "filters on the pixels": "filters",
    }  # fmt: skip
    return [title for title, name in names.items() if not film.has(name)]


def _answers(film: Film) -> Bars | None:
    if not film.classes:
        return None
    odds = _all(film, "probabilities")
    others = np.argsort(-odds[-1], kind="stable")
    shown = [film.followed, *others[others != film.followed][: NAMED - 1]]
    names = tuple(film.classes[i].partition(",")[0] for i in shown)
    about = "The classes that it finds likeliest in the end, and how sure it was of them on the way."
    return Bars("answers", "Its answer", about, names, odds[:, shown], 0)


def _over_the_picture(film: Film) -> Iterable[Pictures | None]:
    labels = tuple(f"Block {block}" for block in film.blocks)
    columns = 2 if len(labels) <= 4 else 3 if len(labels) <= 6 else 4
    name = _followed(film)
    if film.has("attention"):
        kept = _all(film, "attention")  # (F, L, gh, gw)
        tops = kept.max(axis=(0, 2, 3))  # a colour is one value from the first frame to the last
        frames = tuple(_tiled([_over(m, film, t) for m, t in zip(maps, tops, strict=True)], columns) for maps in kept)
        about = "Bright where its class token looks, or else what its answer is read from, block by block."
        yield Pictures("attention", "Where it looks", about, frames, columns, labels)
    if film.has("lens"):
        frames = tuple(_tiled([_over(m, film, 1.0) for m in maps], columns) for maps in _all(film, "lens"))
        about = f"Bright where a patch alone would already answer “{name}” (logit lens): black is 0, yellow is 100 %."
        yield Pictures("lens", f"Where it says {name}", about, frames, columns, labels)
    if film.has("grad_cam"):
        kept = _all(film, "grad_cam")
        frames = tuple(_over(heat, film, kept.max(), 2 * TILE) for heat in kept)
        about = f"Bright where its last feature map speaks for “{name}” (Grad-CAM)."
        yield Pictures("grad_cam", f"What speaks for {name}", about, frames)


def _of_the_weights(film: Film) -> Iterable[Pictures]:
    if film.has("positions"):
        similarities = _all(film, "positions")
        gh, gw = similarities.shape[1:3]
        gap = max(1, round(min(gh, gw) / 6))
        similar = (theme.colour(values, "similarity", -1.0, 1.0) for values in similarities)
        frames = tuple(mosaic(tiles.reshape(gh * gw, gh, gw, 3), gw, gap) for tiles in similar)
        about = "A tile for each patch: which others its position embedding is alike (orange) or unlike (blue)."
        yield Pictures("positions", "Position embeddings", about, frames)
    if film.has("filters"):
        images = np.rint(255 * np.clip(_all(film, "filters"), 0, 1)).astype(np.uint8)
        frames = tuple(mosaic(tiles, 7, max(1, tiles.shape[1] // 8)) for tiles in images)
        about = "The principal components of its first filters: from grain to colours and edges."
        yield Pictures("filters", "Filters", about, frames)


def _of_the_heads(film: Film) -> Iterable[Dots]:
    if not film.has("distances") or not film.has("entropies"):
        return
    far, spread = _all(film, "distances"), _all(film, "entropies")
    about = "How far each head looks, in pixels; the line: attention spread evenly."
    yield Dots("distances", "How far", about, far, max(1.6 * film.uniform, float(far.max())), "px", film.uniform)
    about = "How spread each head's attention is: 1 is evenly over all patches, 0 is on one."
    yield Dots("entropies", "How spread", about, spread, 1.0, "")


def _followed(film: Film) -> str:
    return film.classes[film.followed].partition(",")[0] if film.classes else "its answer"


def _all(film: Film, name: str) -> np.ndarray:
    """One thing of all moments, (frames, ...)."""
    return np.stack([getattr(moment, name) for moment in film.moments])


def _over(heat: np.ndarray, film: Film, top: float, side: int = TILE) -> np.ndarray:
    return blended(heat, film.picture, side, top=float(top) or None)


def _tiled(tiles: list[np.ndarray], columns: int) -> np.ndarray:
    return mosaic(np.stack(tiles), columns, TILE // 16)
