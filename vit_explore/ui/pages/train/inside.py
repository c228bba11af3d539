"""Two looks inside a model in training, as small PNGs: its position embeddings, and what it attends to on one picture.

A PNG replaces its predecessor without a flicker and costs a few milliseconds, where a Plotly figure would remount.
"""

from __future__ import annotations

import base64
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

MAX_BLOCKS = 12
_TILE_SIDE, _PICTURE_SIDE = 480, 192  # pixels; the browser makes them as large as there is room


@dataclass(frozen=True)
class Inside:
    """What one snapshot looks like, its pictures as data URIs. A picture that cannot be is None or missing, and its
    sentence says why."""

    step: int
    pinned: int  # the sample picture that is attended to
    probs: np.ndarray  # (n, C) float32, of the sample pictures
    tiles: str | None = None
    tiles_note: str = ""
    correlation: float | None = None  # of the similarity with the nearness of patches
    picture: str = ""
    blocks: tuple[tuple[int, str], ...] = ()  # (number, counted from 1; data URI), or semantic tokens
    attention_note: str = ""
    numbers: Numbers | None = None  # for the diagnosis


@dataclass
class Watcher:
    """Follows the snapshots of a run on the pinned picture: a new one is looked into once, and shown until the next."""

    run: str
    pinned: int
    view: Inside | None = None
    awaited: Job[Inside] | None = None  # the look at the last snapshot of a run that is over, while it is not done

    def look(self, store: RunStore, images: np.ndarray, training: bool) -> Inside | None:
        """The view of the latest snapshot that was looked into, None before the first; images are uint8 (n, h, w, 3).

        Raises RunNotFound, and what a look at the last snapshot of a run that is over failed with.
        """
        self.awaited = None
        snapshots = store.snapshots(self.run)
        wanted = (snapshots[-1].step, self.pinned) if snapshots else None
        if wanted is None or (self.view is not None and (self.view.step, self.view.pinned) == wanted):
            return self.view
        job = looking_inside(self.run, snapshots[-1].step, self.pinned, images, store)
        done = waiting.peek(job)
        if done is None:  # while it trains, the next tick finds more
            self.awaited = None if training else job
        elif done.error is None or not training:  # one that was given up for a newer one is nothing to say
            self.view = done.value
        return self.view


def looking_inside(run: str, step: int, pinned: int, images: np.ndarray, store: RunStore) -> Job[Inside]:
    """The job for all who watch the run with this picture among the images, uint8 (n, h, w, 3)."""
    ref, folder, warm = f"run:{run}@{step}", store.home, warm_up()

    def work() -> Work[Inside]:
        loaded = yield from caches.open_model(ref, str(folder), warm)
        yield Progress(0.5)
        return look_inside(loaded, step, images, pinned)

    return Job(("inside", str(folder), ref, str(pinned)), "Looking inside the model", work)


def look_inside(loaded: LoadedModel, step: int, images: np.ndarray, pinned: int) -> Inside:
    """Position similarity, class-token attention on one of the images uint8 (n, h, w, 3), and the answers to all."""
    from vit_explore import explain
    from vit_explore.explain.geometry import has_semantic_tokens

    picture = images[pinned]
    shown = loaded.seen(picture, picture.shape[0])  # which may be cut at its edges
    tiles: str | None = None
    blocks: tuple[tuple[int, str], ...] = ()
    tiles_note = attention_note = ""
    correlation = similarity = maps = None
    try:
        similarity = explain.position_similarity(loaded)
        tiles, correlation = tiles_uri(similarity), similarity.distance_correlation
    except (NotApplicable, BadConfig) as error:
        tiles_note = str(error)
    try:
        if has_semantic_tokens(loaded.model):
            blocks = _shown(explain.semantic_tokens(loaded, loaded.preprocess(picture)).maps[0, -1], shown)
        else:
            maps = explain.attention_maps(loaded, loaded.preprocess(picture))
            blocks = block_uris(maps, shown)
    except (NotApplicable, BadConfig) as error:
        attention_note = str(error)
    probs, numbers = probabilities(loaded, images), numbers_of(step, similarity, maps)
    return Inside(
        step, pinned, probs, tiles, tiles_note, correlation, picture_uri(shown), blocks, attention_note, numbers
    )


def probabilities(loaded: LoadedModel, images: np.ndarray) -> np.ndarray:
    """What the model says of images uint8 (n, h, w, 3): (n, C) float32."""
    import torch

    with torch.inference_mode():
        x = torch.cat([loaded.preprocess(image) for image in images])
        return loaded.model(x).float().softmax(-1).numpy()


def tiles_uri(similarity: PositionSimilarity) -> str:
    """All tiles in one picture, in the colours of the page Position embeddings."""
    gh, gw = similarity.grid
    gap = max(1, round(min(gh, gw) / 6))
    tiles = theme.colour(similarity.values.reshape(gh * gw, gh, gw), "similarity", -1.0, 1.0)
    return _png(_enlarged(mosaic(tiles, gw, gap), _TILE_SIDE))


def block_uris(maps: AttentionMaps, picture: np.ndarray) -> tuple[tuple[int, str], ...]:
    """The picture under each block's attention (mean over heads), of the tokens that the answer is read from."""
    rows = maps.weights[0].mean(axis=1)[:, maps.read].mean(axis=1)  # (L, N)
    return _shown(rows[:, maps.n_prefix :].reshape(-1, *maps.grid), picture)


def _shown(maps: np.ndarray, picture: np.ndarray) -> tuple[tuple[int, str], ...]:
    """(number, data URI) of the picture under each of the maps (n, gh, gw), of MAX_BLOCKS from everywhere at most."""
    shown = np.unique(np.linspace(0, len(maps) - 1, min(len(maps), MAX_BLOCKS)).round().astype(int))
    under = _on_grid(picture, maps.shape[1:])
    return tuple((int(i) + 1, _png(blended(maps[i], under, _PICTURE_SIDE))) for i in shown)


def picture_uri(picture: np.ndarray) -> str:
    """A picture uint8 (h, w, 3) at the size of the blocks' maps."""
    if max(picture.shape[:2]) <= _PICTURE_SIDE:
        return _png(_enlarged(picture, _PICTURE_SIDE))
    return _png(np.asarray(Image.fromarray(picture).resize((_PICTURE_SIDE, _PICTURE_SIDE), Image.Resampling.BOX)))


def _on_grid(picture: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """Enlarge so that each patch has whole pixels."""
    gh, gw = grid
    factor = max(1, -(-_PICTURE_SIDE // max(gh, gw)))
    size = (gw * factor, gh * factor)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def _enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    """Up to `side` pixels, by whole factors, so that all cells stay alike."""
    factor = max(1, side // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
