"""What the explanations return: frozen dataclasses of NumPy arrays with their geometry. No torch here, so plots can
import it.

G = (gh, gw) is the patch grid, N the tokens, L the layers, H the heads, B the images, D the width, P the patch size in
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["has_signal", "places_of"]


@dataclass(frozen=True)
class PositionSimilarity:
    """Cosine similarity of the patches' position embeddings (ViT paper, Fig. 7 centre)."""

    values: np.ndarray  # (gh, gw, gh, gw) in [-1, 1]; values[r, c, r, c] is 1
    prefix: np.ndarray  # (n_prefix, gh, gw): class token and registers against the patches; n_prefix may be 0
    grid: tuple[int, int]
    noise_floor: float  # 1 / sqrt(D): the size of a cosine between two random vectors
    distance_correlation: float  # Pearson r of similarity and minus the grid distance, over pairs of different patches
    prefix_names: tuple[str, ...]  # of each row of `prefix`: "class token", "register 1"


@dataclass(frozen=True)
class FilterComponents:
    """Principal components of the embedding filters (ViT paper, Fig. 7 left)."""

    images: np.ndarray  # (k, P, P, 3) in [0, 1], each scaled jointly over RGB
    components: np.ndarray  # (k, 3*P*P), unit rows
    explained_variance_ratio: np.ndarray  # (k,)
    filters: np.ndarray  # (D, P, P, 3) in [0, 1]: the raw filters
    is_projection: bool  # False: the first layer of a conv stem or a CNN, not the paper's linear projection
    smoothness: float = float("nan")  # correlation of neighbouring weights in the raw filters; noise has 0
    smoothness_noise: float = float("nan")  # 1 / sqrt(pairs): how far from 0 noise falls


@dataclass(frozen=True)
class AttentionMaps:
    """Post-softmax attention of every layer and head, taken in eval mode before attention dropout."""

    weights: np.ndarray  # (B, L, H, N, N), rows sum to 1
    grid: tuple[int, int]
    n_prefix: int  # class, distilled and register tokens, which come first
    has_class_token: bool  # the head reads a class token, which is token 0
    logits: np.ndarray  # (B, classes), of the same pass
    prefix_names: tuple[str, ...]  # of the first tokens: "class token", "distillation token", "register 1"

    @property
    def read(self) -> slice:
        """The tokens that the answer is read from."""
        return read_tokens(self.has_class_token, self.prefix_names)


@dataclass(frozen=True)
class SemanticTokens:
    """From which places of the map the tokens of each of M modules gather (Wu et al. 2020, section 3.1)."""

    maps: np.ndarray  # (B, M, T, y, x): T tokens; each map sums to 1 over the places
    logits: np.ndarray  # (B, classes), of the same pass


@dataclass(frozen=True)
class WeightInNumbers:
    """One attention weight (Vaswani et al. 2017, eq. 1): query · key / sqrt(d) is the score, its softmax the weight."""

    query: np.ndarray  # (d,)
    key: np.ndarray  # (d,)
    score: float
    weight: float  # its share of the row
    scores: np.ndarray  # (N,) of the whole row
    tokens: tuple[int, int]  # query, key


@dataclass(frozen=True)
class TokenNorms:
    """How long each token is after each block (Darcet et al. 2024)."""

    values: np.ndarray  # (B, L, N): the prefix tokens first
    grid: tuple[int, int]
    prefix_names: tuple[str, ...]


@dataclass(frozen=True)
class ReceptiveFields:
    """From how far the middle unit of each of L layers takes what it says (Luo et al. 2016), in pixels of the image."""

    layers: tuple[str, ...]
    theoretical: np.ndarray  # (L,) the side of what it is connected to; may be larger than the image, inf, or NaN
    measured: np.ndarray  # (L,) the root of the area where the gradient is clear
    maps: np.ndarray  # (L, h, w) mean absolute gradient, of a peak of 1


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion curves of a heatmap (Petsiuk et al. 2018): the probability of the class."""

    fractions: np.ndarray  # (s,) share of the pixels changed, from 0 to 1
    deletion: np.ndarray  # (s,) softmax probability
    insertion: np.ndarray  # (s,)
    deletion_auc: float  # lower is better
    insertion_auc: float  # higher is better
    target: int
    baseline: str  # what deleted pixels become, in words


def read_tokens(reads_class_token: bool, prefix_names: tuple[str, ...]) -> slice:
    """The tokens whose mean the head reads: the class token, with a distillation token both (the answer is the mean of
    two heads), else the patches."""
    if not reads_class_token:
        return slice(len(prefix_names), None)
    return slice(0, 1 + ("distillation token" in prefix_names))


def has_signal(heat: np.ndarray, precision: float = float(np.finfo(np.float32).eps)) -> bool:
    """Whether a map differs from place to place by more than rounding; `precision` is that of the model's numbers."""
    return bool(np.ptp(heat) > 16 * precision * np.abs(heat).max())


def places_of(maps: np.ndarray) -> np.ndarray:
    """From how many places a token gathers in effect, (...): 2 to the entropy in bits of its shares (..., y, x)."""
    shares = np.asarray(maps, dtype=np.float64)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=(-2, -1))
    return 2**entropy
