"""From how many training images on does a ViT keep up with a ResNet? From the recorded runs of the sweep `data`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vit_explore.errors import BadData
from vit_explore.labs.base import Lab, LabResult, Line, labs
from vit_explore.sweeps import sweeps
from vit_explore.sweeps.results import Result, of_cell, shipped
from vit_explore.told import Progress

SWEEP = "data"
VIT, RESNET = "ViT", "ResNet"
CLASSES = 10
EXPECTED = (
    "A ResNet knows from the start that neighbours belong together and that a thing is the same wherever it lies; a "
    "ViT has to learn both from pictures. So few pictures favour the ResNet, and the ViT gains more from each further "
    "one (the paper's Figures 3 and 4, where models a hundred times as large cross at tens of millions of pictures)."
)


def run(
    refs: Sequence[Any] = (), images: Any = None, results: Sequence[Result] | None = None
) -> Iterator[Progress | LabResult]:
    """results: those of a sweep `data` of one's own, in place of the recorded ones; no models and pictures are asked.

    Raises BadData without results.
    """
    sweep, known = sweeps.get(SWEEP), shipped(SWEEP)
    found = tuple(results if results is not None else known.results if known else ())
    if not found:
        raise BadData("There are no recorded runs of the sweep 'data'; train them: python -m vit_explore sweep data.")
    rows = {cell.row: [one for one in sweep.cells if one.row == cell.row] for cell in sweep.cells}
    lines = tuple(_line(row, [of_cell(found, cell, "top1") for cell in cells], found) for row, cells in rows.items())
    lab = labs.get("how-much-data")
    yield LabResult(lab.name, lab.question, verdict(lines), tuple(map(finding, lines)), results=found, lines=lines)


def _sizes() -> tuple[float, ...]:
    columns = dict.fromkeys(cell.column for cell in sweeps.get(SWEEP).cells)
    return tuple(float(column.replace(",", "")) for column in columns)


def _line(row: str, tops: Sequence[Any], found: Sequence[Result]) -> Line:
    if any(top is None for top in tops):
        raise BadData(f"The sweep 'data' has not finished for the {row}; go on with it.")
    return Line(
        ref=row,
        levels=_sizes(),
        accuracy=tuple(top.mean for top in tops),
        low=tuple(top.low for top in tops),
        high=tuple(top.high for top in tops),
        same=(),
        chance=1 / CLASSES,
        images=next(result.test_images for result in found if result.row == row),
    )


def finding(line: Line) -> str:
    """What a model makes of more images."""
    gains = [f"{100 * (b - a):+.1f}" for a, b in zip(line.accuracy, line.accuracy[1:], strict=False)]
    steps = ", ".join(f"{gain} at {size:,.0f}" for gain, size in zip(gains, line.levels[1:], strict=True))
    return f"{line.ref}: {100 * line.accuracy[0]:.1f} % of {line.levels[0]:,.0f} images; then {steps} points."


def verdict(lines: Sequence[Line]) -> str:
    """Who is ahead where, as far as the seeds do not overlap."""
    known = {line.ref: line for line in lines}
    vit, resnet = known[VIT], known[RESNET]
    ahead = [_ahead(vit, resnet, at) for at in range(len(vit.levels))]
    words = [f"{size:,.0f}" for size in vit.levels]
    crossing = next((at for at in range(len(ahead)) if all(one > 0 for one in ahead[at:])), None)
    first = (
        f"On {words[0]} images the ResNet has {100 * resnet.accuracy[0]:.1f} %, the ViT {100 * vit.accuracy[0]:.1f} %"
    )
    if crossing is None:
        last = f"on {words[-1]} {100 * resnet.accuracy[-1]:.1f} and {100 * vit.accuracy[-1]:.1f} %"
        return f"{first}; {last}: there is no size from which on the ViT is ahead with every seed."
    if crossing == 0:
        return f"{first}: the ViT is ahead at every size."
    at = f"{100 * resnet.accuracy[crossing]:.1f} and {100 * vit.accuracy[crossing]:.1f} %"
    return f"{first}; from {words[crossing]} on the ViT is ahead with every seed ({at} there)."


def _ahead(one: Line, other: Line, at: int) -> int:
    """1 where every seed of `one` is ahead, -1 where every seed is behind, else 0."""
    return (one.low[at] > other.high[at]) - (one.high[at] < other.low[at])


labs.register("how-much-data")(
    Lab(
        "how-much-data",
        "How much data?",
        "A ViT, a hybrid and a ResNet learn from 500 to 40,000 images, each for as many steps. From how many on is the "
        "ViT ahead of the ResNet?",
        run,
        axis="training images",
        levels=_sizes(),
        expected=EXPECTED,
        order=20,
        needs="records",
    )
)
