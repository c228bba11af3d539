"""Attention heads that tell no token from another, or that all look at a single one."""

from __future__ import annotations

import numpy as np

from vit_explore.diagnosis import repairs
from vit_explore.diagnosis.findings import Evidence, Finding, Repair, Severity, symptoms

SPENT = 0.5  # of the budget: heads begin uniform, and sharpen on the way
MIN_STEPS = 1000  # after 250 steps a healthy run's median entropy is 0.994, after 750 it is 0.96
UNIFORM = 0.995  # of the largest entropy
MANY = 0.9  # of the heads
ONE_TOKEN = 0.8  # of a head's attention on one token, whoever asks; bundled models have 0.17 at most
HALF = 0.5  # of the heads


@symptoms.register("heads")
def heads(evidence: Evidence) -> Finding | None:
    """Nearly all heads uniform after many steps, or half of them with one token for all their attention."""
    inside = evidence.inside
    if inside is None or not inside.entropy.size or evidence.config.train.tune == "head":
        return None
    sunk = float(np.mean(inside.top_share > ONE_TOKEN))
    if sunk >= HALF:
        return _finding(f"{100 * sunk:.0f} % of the attention heads look at one token only.",
                        f"More than {100 * ONE_TOKEN:.0f} % of their attention goes there, whichever token asks; the "
                        f"median over all heads is {100 * np.median(inside.top_share):.0f} %.",
                        inside.step, repairs.gentler(evidence.config))  # fmt: skip
    uniform = float(np.mean(inside.entropy > UNIFORM))
    if uniform >= MANY and evidence.now >= SPENT and inside.step >= MIN_STEPS:
        return _finding(f"{100 * uniform:.0f} % of the attention heads look at all tokens alike.",
                        f"Their entropy is {np.median(inside.entropy):.3f} of the largest possible; a healthy run has "
                        "0.96 after 750 steps.", inside.step, _to_look(evidence))  # fmt: skip
    return None


def _to_look(evidence: Evidence) -> Repair | None:
    small = evidence.config.train.lr < repairs.USUAL_LR
    return repairs.bolder(evidence.config) if small else repairs.longer(evidence.config)


def _finding(sentence: str, fact: str, step: int, repair: Repair | None) -> Finding:
    return Finding("heads", sentence, (fact, f"Measured on one validation image, at step {step:,}."),
                   Severity.WARNING, repair)  # fmt: skip
