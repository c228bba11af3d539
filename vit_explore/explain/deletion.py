"""Does the heatmap point at what the model really uses?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vit_explore.errors import BadConfig
from vit_explore.explain.catalogue import Explanation
from vit_explore.explain.inputs import check_alone, module_of, ready_images, ready_targets
from vit_explore.explain.results import Faithfulness
from vit_explore.explain.states import plain_pass
from vit_explore.precision import autocast

__all__ = ["faithfulness"]

CARD = Explanation(
    name="faithfulness",
    title="Faithfulness: deletion and insertion",
    needs="any",
    cost="about 130 forward passes: 65 for each curve",
    gives=".fractions (s); .deletion (s); .insertion (s)",
    source="Petsiuk, Das & Saenko 2018, RISE",
    formula=(
        r"\mathrm{AUC} = \int_0^1 p_c\bigl(x \text{ with its share } t \text{ of hottest pixels deleted, or "
        r"inserted}\bigr)\, dt"
    ),
    what_you_see=(
        "The probability of the class as pixels go (or come) in the order of a heatmap. Deletion: lower is "
        "better. Insertion: higher."
    ),
    what_to_look_for=(
        "A good heatmap falls fast in deletion and rises fast in insertion. Is it clearly better than the random "
        "one beside it?"
    ),
    what_to_beware=(
        "Half-deleted pictures are unlike anything the model was trained on. One picture proves little: compare "
        "over many. A random heatmap can win, and then the method has told you nothing."
    ),
    example=(
        'heat = vx.explain.attribution(model, images[:1], "input_x_gradient")\n'
        "result = vx.explain.faithfulness(model, images[:1], heat)"
    ),
    figure="vx.plots.faithfulness(result)",
)

_LEAST_STEPS = 64
_LARGEST_BATCH, _PIXELS = 256, 2**21  # images, and pixels in a batch
_ON_CPU = 64  # images: after larger passes malloc gives the memory back, and our ViT takes 1.7 times as long
# Ours, and timm's: in bf16 PyTorch's fused attention takes a CPU 2.4 times as long as the explicit one of our ViT.
_EXPLICIT: dict[str, Any] = {"fused": False, "fused_attn": False}
_SEED = 0  # of the order among pixels of equal heat


def faithfulness(
    model: Any, image: Tensor, heatmap: Any, target: int | None = None, steps: int = 64, batch_size: int = 32
) -> Faithfulness:
    """Deletion and insertion curves of a heatmap (Petsiuk, Das & Saenko 2018).

    image: normalised (3, h, w) or (1, 3, h, w). heatmap: (h, w), or a coarser grid, enlarged to pixels; ties in random
    order. Pixels go (or come) hottest first, in at least `steps` >= 64 steps; what is gone is the dataset mean. target
    None: the predicted class. Raises BadConfig.
    """
    net = module_of(model)
    picture = ready_images(net, image[None] if isinstance(image, Tensor) and image.ndim == 3 else image)
    if len(picture) != 1 or steps < _LEAST_STEPS or batch_size < 1:
        raise BadConfig(
            f"{len(picture)} images, steps = {steps} and batch_size = {batch_size} were given; "
            f"faithfulness takes one image, at least {_LEAST_STEPS} steps and a batch of at least 1."
        )
    with torch.no_grad():
        chosen = ready_targets(net, plain_pass(net, picture), target)
    heat = to_pixels(heatmap, int(picture.shape[2]), int(picture.shape[3]))
    fractions, deletion, insertion = deletion_insertion(net, picture, heat[None], chosen, steps, batch_size)
    return Faithfulness(
        fractions=fractions,
        deletion=deletion[0],
        insertion=insertion[0],
        deletion_auc=float(area(fractions, deletion)[0]),
        insertion_auc=float(area(fractions, insertion)[0]),
        target=int(chosen[0]),
        baseline="the dataset mean (0 after normalisation)",
    )


def deletion_insertion(
    net: nn.Module,
    pictures: Tensor,
    heats: np.ndarray,
    targets: Tensor,
    steps: int = _LEAST_STEPS,
    batch_size: int = 0,
    precision: str = "fp32",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of the pixels (s,), and the probability of each picture's class as they go and as they come, (B, s).

    pictures: ready, (B, 3, h, w). heats: (B, h, w). targets: (B,). batch_size: 0 for one that fits the size.
    precision: fp32 or bf16, of the passes.
    """
    check_alone(net)
    h, w = int(pictures.shape[2]), int(pictures.shape[3])
    counts = np.append(np.arange(0, h * w, max(1, h * w // steps)), h * w)
    ranks = np.stack([np.argsort(_hottest_first(heat)) for heat in heats]).reshape(-1, 1, h, w)
    rank = torch.as_tensor(ranks, device=pictures.device)  # 0 is the hottest pixel
    is_cpu = pictures.device.type == "cpu"
    batch_size = batch_size or max(16, min(_ON_CPU if is_cpu else _LARGEST_BATCH, _PIXELS // (h * w)))
    switches = _EXPLICIT if is_cpu and precision == "bf16" else {}
    with torch.no_grad(), autocast(precision, pictures.device):
        ask = partial(plain_pass, net, **switches)
        went, came = (_curves(ask, pictures, rank, counts, targets, batch_size, hot) for hot in (False, True))
    return (counts / (h * w)).astype(np.float32), went, came


def to_pixels(heatmap: Any, h: int, w: int) -> np.ndarray:
    """A heatmap as (h, w), each cell enlarged to the pixels it covers. Raises BadConfig."""
    values = heatmap.detach().cpu().numpy() if isinstance(heatmap, Tensor) else heatmap
    heat = np.asarray(values, dtype=np.float64)
    heat = heat[0] if heat.ndim == 3 and len(heat) == 1 else heat
    if heat.ndim != 2 or not heat.size or heat.shape[0] > h or heat.shape[1] > w or not np.isfinite(heat).all():
        raise BadConfig(
            f"A heatmap of shape {heat.shape} does not fit an image of {h} x {w} px; "
            "give finite values, one for each pixel or each cell of a grid."
        )
    rows, columns = np.arange(h) * heat.shape[0] // h, np.arange(w) * heat.shape[1] // w
    return heat[np.ix_(rows, columns)]


def _hottest_first(heat: np.ndarray) -> np.ndarray:
    """Pixel indices (h w,) by falling heat, equal ones in a seeded random order."""
    lottery = np.random.default_rng(_SEED).permutation(heat.size)
    return np.lexsort((lottery, -heat.ravel()))


def _curves(
    ask: Callable[[Tensor], Tensor],
    pictures: Tensor,
    rank: Tensor,
    counts: np.ndarray,
    targets: Tensor,
    batch_size: int,
    keep_hot: bool,
) -> np.ndarray:
    """Softmax probability of each target, (B, s), when only the `count` hottest pixels stay, or only they are gone."""
    n, s = len(pictures), len(counts)
    which = torch.arange(n, device=pictures.device).repeat_interleave(s)
    limits = torch.as_tensor(counts, device=pictures.device).repeat(n).view(-1, 1, 1, 1)
    values = []
    for part in torch.arange(n * s, device=pictures.device).split(batch_size):
        of = which[part]
        hot = rank[of] < limits[part]  # (batch, 1, h, w)
        logits = ask(torch.where(hot == keep_hot, pictures[of], 0.0))
        values.append(logits.float().softmax(dim=1).gather(1, targets[of, None])[:, 0].cpu())
    return torch.cat(values).view(n, s).numpy()


def area(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Under curves y (..., s) over x (s,), by trapezoids, (...)."""
    return ((y[..., 1:] + y[..., :-1]) / 2 * np.diff(x)).sum(axis=-1)
