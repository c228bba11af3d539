"""What stands at the end of the page Scaling labs."""

from __future__ import annotations

from vit_explore.sweeps import Sweep
from vit_explore.sweeps.group import go_on
from vit_explore.sweeps.results import results_of
from vit_explore.ui.kit.panel import Note


def scaling(sweep: Sweep) -> Note:
    """What a grid says, and what it cannot say."""
    return Note(
        title=sweep.title,
        what_you_see=(
            "Each cell is a run of its own with its own schedule to the end, trained once for each seed. A point is "
            "the mean of its seeds on all test images, and its bar from the lowest to the highest. The same grid "
            f"on the command line: `python -m vit_explore sweep {sweep.name}`."
        ),
        formula=(
            r"\mathrm{FLOPs} = 3 \cdot \mathrm{FLOPs}_{\text{forward}} \cdot n_{\text{images seen}} \qquad "
            r"\bar a = \tfrac{1}{S}\sum_s a_s, \quad [\min_s a_s, \max_s a_s]"
        ),
        what_to_look_for=sweep.look_for,
        what_to_beware=(
            "Where two bars overlap, their order is noise. Three seeds show a spread and no interval of confidence. "
            "The models are a thousand times smaller than the paper's and learn for a minute: an order that is "
            "reversed here is no contradiction. Seconds depend on the machine, and on what else ran on it; FLOPs do "
            "not. The settings are the same for all cells and were tuned for the ViT."
        ),
        functions=(results_of, go_on),
        source=f"{sweep.source}. A training step costs about three forward passes (Kaplan et al. 2020)."
        if sweep.source
        else "A training step costs about three forward passes (Kaplan et al. 2020).",
    )
