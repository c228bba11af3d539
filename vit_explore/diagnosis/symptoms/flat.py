"""The loss stays where guessing has it."""

from __future__ import annotations

import numpy as np

from vit_explore.diagnosis import repairs
from vit_explore.diagnosis.findings import Evidence, Finding, Repair, Severity, symptoms
from vit_explore.diagnosis.trend import Trend, trend

SHARE = 0.4  # of the budget; the hardest ready-made run (Shapes) leaves guessing after a third of it
MIN_STEPS = 40  # fewer losses have too wide a standard error
FALL = 0.02  # of ln C: a smaller fall is none; healthy runs fall by a fifth of ln C in this time
RISE = 0.1  # of ln C: a larger rise is no flat line
NEAR = (0.95, 1.25)  # of ln C; below it something was learned, far above it the loss has grown


@symptoms.register("flat")
def flat(evidence: Evidence) -> Finding | None:
    """No fall over a good share of the budget, certain by its standard error, at the level of guessing."""
    start = max(evidence.touched, evidence.config.train.warmup_fraction / 2)
    x, y = evidence.since(start)
    if len(y) < MIN_STEPS or evidence.now - start < SHARE or evidence.failure:
        return None
    if not _is_flat(trend(x, y), evidence.guessing):
        x, y = evidence.since(evidence.now - SHARE)
        if len(y) < MIN_STEPS or not _is_flat(trend(x, y), evidence.guessing):
            return None
    line, guess = trend(x, y), f"ln {evidence.classes} = {evidence.guessing:.2f}"
    return Finding(
        "flat",
        f"The loss has not fallen for {100 * np.ptp(x):.0f} % of the budget: {line.mean:.2f} ± {line.spread:.2f}, "
        f"and {guess} is guessing.",
        (
            f"A line through {len(y):,} losses falls by {round(line.fall, 3) + 0.0:.3f} ± {line.fall_error:.3f}.",
            f"A model that finds all {evidence.classes} classes alike has a loss of {guess}.",
            f"The learning rate is {evidence.config.train.lr:g} at its peak.",
        ),
        Severity.BROKEN,
        _repair(evidence),
    )


def _is_flat(line: Trend, guessing: float) -> bool:
    low, high = NEAR
    is_level = -RISE * guessing < line.fall < FALL * guessing - 2 * line.fall_error
    return is_level and low * guessing < line.mean < high * guessing


def _repair(evidence: Evidence) -> Repair | None:
    """Too small a learning rate hardly moves; too large a one has thrown the weights away."""
    gentle = evidence.config.train.lr > repairs.USUAL_LR
    return repairs.gentler(evidence.config) if gentle else repairs.bolder(evidence.config)
