"""Ten shapes on cluttered backgrounds, drawn with signed distances on whole batches at once.

The place of a point relative to its shape: coordinates (u, v) in which the shape fills the unit circle, v downwards.
A distance is negative inside. Random numbers are drawn image by image: a longer draw begins with the same images.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]

_BLOBS, _STRIPS, _CANDIDATES = 4, 3, 8
_COLUMNS = 16 + 3 * _CANDIDATES + 8 * _BLOBS + 7 * _STRIPS  # random numbers per image beside the noise
_LEAST_CONTRAST = 0.5  # distance in the RGB cube between the object and both ends of the background
_COARSE = 6  # side of the grid of the background's slow noise


def disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 0.85


def ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.72) - 0.2


def crescent(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.hypot(u, v) - 0.95, 0.75 - np.hypot(u - 0.5, v))


def heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Two discs over a triangle, a union."""
    lobes = np.hypot(np.abs(u) - 0.43, v + 0.32) - 0.46
    return np.minimum(lobes, polygon(_HEART_TIP, u, v))


def polygon(corners: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to a closed polygon (k, 2) (Quilez, "2D distance functions")."""
    nearest = np.full(u.shape, np.inf, np.float32)
    inside = np.zeros(u.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        wx, wy = u - ax, v - ay
        along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
        crosses = (wy >= 0) & (v < by) if ey > 0 else (wy < 0) & (v >= by)
        inside ^= crosses & ((ex * wy > ey * wx) if ey < 0 else (ex * wy < ey * wx))
    return np.where(inside, -1, 1) * np.sqrt(nearest)


def _star(points: int, inner: float) -> np.ndarray:
    angle = np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2, inner, 1.0)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], 1).astype(np.float32)


def _corners(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, np.float32)


_HEART_TIP = _corners((-0.84, -0.12), (0.0, -0.36), (0.84, -0.12), (0.0, 0.95))
_SQUARE = _corners((-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7))
_TRIANGLE = _corners((0.0, -1.0), (0.866, 0.5), (-0.866, 0.5))
_ARROW = _corners(
    (0.0, -1.0), (0.72, -0.22), (0.24, -0.22), (0.24, 0.95), (-0.24, 0.95), (-0.24, -0.22), (-0.72, -0.22)
)
_L = _corners((-0.6, -0.8), (-0.15, -0.8), (-0.15, 0.35), (0.6, 0.35), (0.6, 0.8), (-0.6, 0.8))
_CROSS = _corners(
    (-0.28, -0.95), (0.28, -0.95), (0.28, -0.28), (0.95, -0.28), (0.95, 0.28), (0.28, 0.28),
    (0.28, 0.95), (-0.28, 0.95), (-0.28, 0.28), (-0.95, 0.28), (-0.95, -0.28), (-0.28, -0.28),
)  # fmt: skip

SHAPES: dict[str, Distance] = {
    "disc": disc,
    "ring": ring,
    "square": partial(polygon, _SQUARE),
    "triangle": partial(polygon, _TRIANGLE),
    "star": partial(polygon, _star(5, 0.42)),
    "cross": partial(polygon, _CROSS),
    "heart": heart,
    "crescent": crescent,
    "arrow": partial(polygon, _ARROW),
    "L": partial(polygon, _L),
}


def draw_shapes(name: str, count: int, size: int, seed: int, stream: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`count` pictures of the shape `name`: uint8 (count, 3, size, size) and where it is, bool (count, size, size).

    Place, size, rotation, colours and clutter are random, from `seed`; another `stream` gives other pictures.
    """
    key = [seed, stream, zlib.crc32(name.encode())]
    params, slow, fast = (np.random.default_rng([*key, purpose]) for purpose in range(3))
    images = np.empty((count, 3, size, size), np.uint8)
    masks = np.empty((count, size, size), bool)
    step = max(1, 2**18 // size**2)  # parts that stay in the processor's cache are several times faster
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        numbers = params.random((part.stop - start, _COLUMNS), np.float32)
        images[part], masks[part] = _draw(SHAPES[name], numbers, size, slow, fast)
    return images, masks


def _draw(
    shape: Distance, numbers: np.ndarray, size: int, slow: np.random.Generator, fast: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    place, rest = np.split(numbers, [16], axis=1)
    objects, rest = np.split(rest, [3 * _CANDIDATES], axis=1)
    blobs, strips = np.split(rest, [8 * _BLOBS], axis=1)
    axis = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)  # pixel centres; the picture is [-1, 1]²
    x, y = axis[None, None, :], axis[None, :, None]
    ends = place[:, 4:10].reshape(-1, 2, 3)
    picture = _background(ends, place[:, 10], x, y, slow)
    for one in np.split(strips, _STRIPS, axis=1):
        _paint(picture, _strip(one, x, y), one[:, 4:7] * 0.6 + ends.mean(1) * 0.4, size)
    for one in np.split(blobs, _BLOBS, axis=1):
        _paint(picture, _blob(one, x, y), one[:, 5:8] * 0.6 + ends.mean(1) * 0.4, size)
    distance = _object(shape, place, x, y)
    colour = _contrasting(objects.reshape(-1, _CANDIDATES, 3), ends)
    _paint(picture, distance, colour, size)
    picture += 0.04 * fast.standard_normal(picture.shape, np.float32)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8), distance < 0


def _column(values: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Numbers in [0, 1), one per image, scaled to a range and shaped to go with (n, h, w)."""
    return (low + (high - low) * values)[:, None, None]


def _turn(angle: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    c, s = np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)
    return c * x + s * y, c * y - s * x


def _object(shape: Distance, place: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distances (n, h, w) in units of half the picture; the shape's circle lies wholly inside the picture."""
    radius = _column(place[:, 0], 0.42, 0.75)
    reach = 1 - radius
    dx, dy = x - _column(place[:, 1], -1, 1) * reach, y - _column(place[:, 2], -1, 1) * reach
    u, v = _turn(_column(place[:, 3]), dx / radius, dy / radius)
    return shape(u, v) * radius


def _background(
    ends: np.ndarray, angle: np.ndarray, x: np.ndarray, y: np.ndarray, noise: np.random.Generator
) -> np.ndarray:
    """A gradient between two colours with slow, coloured noise: (n, 3, h, w)."""
    along = np.clip(_turn(_column(angle), x, y)[0] * 0.4 + 0.5, 0, 1)[:, None]
    first, last = ends[:, 0, :, None, None], ends[:, 1, :, None, None]
    coarse = noise.standard_normal((len(ends), 3, _COARSE, _COARSE), np.float32)
    where = (x.ravel() + 1) / 2 * (_COARSE - 1)
    weights = np.maximum(0, 1 - np.abs(where[:, None] - np.arange(_COARSE))).astype(np.float32)  # linear interpolation
    return first + (last - first) * along + 0.1 * (weights @ coarse @ weights.T)


def _strip(numbers: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across = _turn(_column(numbers[:, 0]), x, y)[0]
    return np.abs(across - _column(numbers[:, 1], -1, 1)) - _column(numbers[:, 2], 0.02, 0.07)


def _blob(numbers: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    dx, dy = x - _column(numbers[:, 0], -1, 1), y - _column(numbers[:, 1], -1, 1)
    u, v = _turn(_column(numbers[:, 2]), dx, dy)
    radius = _column(numbers[:, 3], 0.08, 0.2)
    return np.hypot(u, v * _column(numbers[:, 4], 1, 2.5)) - radius


def _paint(picture: np.ndarray, distance: np.ndarray, colour: np.ndarray, size: int) -> None:
    """Lay `colour` (n, 3) over the picture where the distance is negative, the edge one pixel soft; in place."""
    cover = np.clip(0.5 - distance * (size / 2), 0, 1)[:, None]
    picture += cover * (colour[:, :, None, None] - picture)


def _contrasting(candidates: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Of each image's candidate colours (n, k, 3), the first that stands out from both ends of the background."""
    gap = np.linalg.norm(candidates[:, :, None] - ends[:, None], axis=3).min(axis=2)  # (n, k)
    chosen = np.argmax(np.where(gap.max(1, keepdims=True) > _LEAST_CONTRAST, gap > _LEAST_CONTRAST, gap), axis=1)
    return candidates[np.arange(len(candidates)), chosen]
