"""Two looks inside a model in training, as small PNGs: its position embeddings, and what it attends to on one picture.

A PNG replaces its predecessor without a flicker and costs a few milliseconds, where a Plotly figure would remount.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vit_explore.diagnosis import Inside as Numbers
from vit_explore.diagnosis.weights import numbers_of
from vit_explore.errors import BadConfig, NotApplicable
from vit_explore.explain.results import AttentionMaps, PositionSimilarity
from vit_explore.plots import theme
from vit_explore.plots.canvas import mosaic
from vit_explore.plots.heat import blended
from vit_explore.runs.store import RunStore
from vit_explore.ui.kit import waiting
from vit_explore.ui.session import caches
from vit_explore.ui.session.jobs import Job, Progress, Work
from vit_explore.ui.session.warmup import warm_up

if TYPE_CHECKING:
    from vit_explore.runs.references import LoadedModel

MAX_BLOCKS = 8
# pixels; shown as they are, because Streamlit encodes a picture that it has to shrink anew at each tick
_TILE_SIDE, _PICTURE_SIDE = 390, 96


@dataclass(frozen=True)
class Inside:
    """What one snapshot looks like. A picture that cannot be is None, and its sentence says why."""

    step: int
    tiles: bytes | None = None
    tiles_note: str = ""
    correlation: float | None = None  # of the similarity with the nearness of patches
    picture: bytes = b""  # PNG
    blocks: tuple[tuple[str, bytes], ...] = ()  # (name, PNG)
    attention_note: str = ""
    numbers: Numbers | None = None  # for the diagnosis


@dataclass
class Watcher:
    """Follows the snapshots of a run on one picture: a new one is looked into once."""

    run: str
    pinned: int
    view: Inside | None = None

    def look(self, store: RunStore, picture: np.ndarray, training: bool) -> Inside | None:
        """The view of the latest snapshot that was looked into, None before the first; picture is uint8 (h, w, 3).

        Raises RunNotFound, and NotYet for a run that is over: nobody looks again by himself.
        """
        snapshots = store.snapshots(self.run)
        if not snapshots or (self.view is not None and self.view.step == snapshots[-1].step):
            return self.view
        job = looking_inside(self.run, snapshots[-1].step, self.pinned, picture, store)
        if not training:
            self.view = waiting.result(job)
        elif (done := waiting.peek(job)) is not None and done.error is None:
            self.view = done.value
        # else the snapshot is being looked into, or was given up for a newer one: the next tick finds more
        return self.view


def looking_inside(run: str, step: int, pinned: int, picture: np.ndarray, store: RunStore) -> Job[Inside]:
    """The job for all who watch the run with this picture, uint8 (h, w, 3)."""
    ref, folder, warm = f"run:{run}@{step}", store.home, warm_up()

    def work() -> Work[Inside]:
        loaded = yield from caches.open_model(ref, str(folder), warm)
        yield Progress(0.5)
        return look_inside(loaded, step, picture)

    return Job(("inside", str(folder), ref, str(pinned)), "Looking inside the model", work)


def look_inside(loaded: LoadedModel, step: int, picture: np.ndarray) -> Inside:
    """Position similarity and class-token attention of a model on a picture uint8 (h, w, 3)."""
    from vit_explore import explain

    tiles: bytes | None = None
    blocks: tuple[tuple[str, bytes], ...] = ()
    tiles_note = attention_note = ""
    correlation = similarity = maps = None
    try:
        similarity = explain.position_similarity(loaded)
        tiles, correlation = tiles_png(similarity), similarity.distance_correlation
    except (NotApplicable, BadConfig) as error:
        tiles_note = str(error)
    try:
        maps = explain.attention_maps(loaded, loaded.preprocess(picture))
        blocks = block_pngs(maps, picture)
    except (NotApplicable, BadConfig) as error:
        attention_note = str(error)
    numbers = numbers_of(step, similarity, maps)
    return Inside(step, tiles, tiles_note, correlation, picture_png(picture), blocks, attention_note, numbers)


def tiles_png(similarity: PositionSimilarity) -> bytes:
    """All tiles in one picture, in the colours of the page Position embeddings."""
    gh, gw = similarity.grid
    gap = max(1, round(min(gh, gw) / 6))
    tiles = theme.colour(similarity.values.reshape(gh * gw, gh, gw), "similarity", -1.0, 1.0)
    return _png(_enlarged(mosaic(tiles, gw, gap), _TILE_SIDE))


def block_pngs(maps: AttentionMaps, picture: np.ndarray) -> tuple[tuple[str, bytes], ...]:
    """The picture under each block's attention (mean over heads): of the class token, or of all patches without one."""
    weights = maps.weights[0].mean(axis=1)  # (L, N, N)
    rows = weights[:, 0] if maps.has_class_token else weights[:, maps.n_prefix :].mean(axis=1)
    shown = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_BLOCKS)).round().astype(int))
    under = _on_grid(picture, maps.grid)
    tiles = [blended(rows[layer, maps.n_prefix :].reshape(maps.grid), under, _PICTURE_SIDE) for layer in shown]
    return tuple((f"Block {layer + 1}", _png(tile)) for layer, tile in zip(shown, tiles, strict=True))


def picture_png(picture: np.ndarray) -> bytes:
    """A picture uint8 (h, w, 3) at the size of the blocks' maps."""
    if max(picture.shape[:2]) <= _PICTURE_SIDE:
        return _png(_enlarged(picture, _PICTURE_SIDE))
    return _png(np.asarray(Image.fromarray(picture).resize((_PICTURE_SIDE, _PICTURE_SIDE), Image.Resampling.BOX)))


def _on_grid(picture: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Enlarge so that each patch has whole pixels."""
    gh, gw = grid
    factor = max(1, -(-_PICTURE_SIDE // max(gh, gw)))
    size = (gw * factor, gh * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def _enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    """Up to `side` pixels, by whole factors, so that all cells stay alike."""
    factor = max(1, side // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()
