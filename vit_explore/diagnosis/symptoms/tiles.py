"""The position embeddings stay noise, or there are none."""

from __future__ import annotations

from vit_explore.diagnosis import repairs
from vit_explore.diagnosis.findings import Evidence, Finding, Repair, Severity, symptoms

SPENT = 0.5  # of the budget
MIN_STEPS = 250  # healthy runs have r = 0.19 after 128 steps


@symptoms.register("tiles")
def tiles(evidence: Evidence) -> Finding | None:
    """The similarity of the embeddings does not follow the nearness of the patches by more than the noise floor."""
    model = evidence.config.model
    is_frozen = evidence.config.train.tune == "head"
    if evidence.now < SPENT or "pos_embed" not in model.card.fields or is_frozen:
        return None
    if model.pos_embed == "none":
        return Finding(
            "tiles",
            "It cannot know where a patch lies: it has no position embeddings.",
            ("Shuffle the patches, and its answer stays the same: attention alone knows no order.",),
            Severity.HINT, Repair("Train anew with learned position embeddings", {"pos_embed": "learned"}),
        )  # fmt: skip
    inside = evidence.inside
    if model.pos_embed != "learned" or inside is None or inside.nearness is None or inside.noise_floor is None:
        return None
    if inside.nearness > inside.noise_floor or evidence.steps < MIN_STEPS:
        return None
    return Finding(
        "tiles",
        f"The position embeddings are still noise after {100 * evidence.now:.0f} % of the budget: r = "
        f"{inside.nearness:+.2f} with the nearness of the patches.",
        (
            f"The noise floor 1/√D is {inside.noise_floor:.2f}; a healthy run on photographs has r = 0.2 "
            "after 128 steps.",
            f"Measured at step {inside.step:,}. Where objects lie anywhere, as in Shapes, places matter little.",
        ),
        Severity.HINT, repairs.longer(evidence.config),
    )  # fmt: skip
