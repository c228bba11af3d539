"""The loss grows, lies far above guessing, or is no number any more."""

from __future__ import annotations

import numpy as np

from vit_explore.diagnosis import repairs
from vit_explore.diagnosis.findings import Evidence, Finding, Severity, symptoms
from vit_explore.diagnosis.trend import blocks

BLOCKS = 6
MIN_STEPS = 10 * BLOCKS
RISE = 0.1  # of ln C: twice the wiggle of healthy runs' means
SURE = 4.0  # standard errors: the lowest of several means is lower by chance
LAST = 20  # steps whose mean is held against guessing
ABOVE = 1.25  # of ln C: no model that only knows nothing loses so much
FIRST = 0.05  # of the budget, which a model has for leaving a bad start


@symptoms.register("grows")
def grows(evidence: Evidence) -> Finding | None:
    """Certain by the standard errors of block means, within a stretch in which nothing else moves the loss."""
    if evidence.failure:
        return _finding(evidence, "The loss became infinite, or no number at all: the steps are too large.",
                        evidence.failure)  # fmt: skip
    last = evidence.since(FIRST)[1][-LAST:]
    if len(last) == LAST and last.mean() - SURE * last.std() / LAST**0.5 > ABOVE * evidence.guessing:
        guess = f"ln {evidence.classes} = {evidence.guessing:.2f}"
        return _finding(evidence, f"The loss is worse than guessing: {last.mean():.3g}, and {guess} is what a model "
                        "loses that finds all classes alike.", f"The mean of the last {LAST} steps.")  # fmt: skip
    _, y = evidence.since(max(evidence.settled, FIRST))
    if len(y) < MIN_STEPS:
        return None
    means, errors = blocks(y, BLOCKS)
    now = means[-1]
    lowest = int(np.argmin(means))
    rise, error = now - means[lowest], float(np.hypot(errors[-1], errors[lowest]))
    if rise > RISE * evidence.guessing and rise > SURE * error:
        return _finding(evidence, f"The loss grows: from {means[lowest]:.2f} at its lowest to {now:.2f}.",
                        f"The rise is {rise:.2f} ± {error:.2f}, in means of {len(y) // BLOCKS} steps.")  # fmt: skip
    return None


def _finding(evidence: Evidence, sentence: str, fact: str) -> Finding:
    train = evidence.config.train
    clip = f"clipped at {train.grad_clip:g}" if train.grad_clip else "not clipped"
    return Finding(
        "grows", sentence,
        (fact, f"The learning rate is {train.lr:g} at its peak; the gradient is {clip}."),
        Severity.BROKEN, repairs.gentler(evidence.config),
    )  # fmt: skip
