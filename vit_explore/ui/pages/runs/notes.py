"""What stands at the end of the page Runs."""

from __future__ import annotations

from vit_explore.runs import export
from vit_explore.ui.kit.panel import Note
from vit_explore.ui.pages.runs import table


def runs() -> Note:
    """What a run is, and how its numbers compare."""
    return Note(
        title="Runs",
        what_you_see=(
            "Every run of this machine, from this app and from the command line. They live in one SQLite file and "
            "one folder, and every window sees the same."
        ),
        formula=r"\text{top-1} = \frac{1}{n}\sum_{i=1}^{n} \big[\arg\max_c f_\theta(x_i)_c = y_i\big]",
        what_to_look_for=(
            "Sort by a column's head, tick several rows to lay their curves into the same axes. A run that was "
            "stopped or interrupted goes on from its last checkpoint."
        ),
        what_to_beware=(
            "Accuracies of different data or classes do not compare: four classes are easier than ten. A number "
            "marked *validation* is not final, and was measured on fewer images."
        ),
        functions=(table.metrics_csv, export.exported),
        source="Weights are safetensors; a ViT's parameter names are timm's, so timm's VisionTransformer loads them.",
    )
