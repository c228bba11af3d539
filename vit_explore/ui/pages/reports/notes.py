"""What stands at the end of the page Paper & reports."""

from __future__ import annotations

from vit_explore.reports import matching
from vit_explore.ui.kit.panel import Note


def reports() -> Note:
    """What reported and measured mean here, and how a run finds its row."""
    return Note(
        title="Paper & reports",
        what_you_see=(
            "Diamonds are figures as they were printed; everything else was trained by this project, or by you. Each "
            "row exists with the settings as reported, and scaled to a few minutes with the same idea. A run of yours "
            "joins its row by itself when it has finished with every setting of the preset; another seed, device or "
            "folder of your own pictures, of as many classes, does not matter; any other change does."
        ),
        formula=(
            r"\begin{gathered}\ln C:\ \text{the loss of guessing among } C \text{ classes} \\"
            r"\mathrm{F_1} = \tfrac{1}{C}\sum_c \frac{2\,TP_c}{2\,TP_c + FP_c + FN_c}\end{gathered}"
        ),
        what_to_look_for=(
            "Where a measured figure is far from the printed one, and which sentence explains it. In the paper's "
            "tables: how the order of the models turns around as data and compute grow."
        ),
        what_to_beware=(
            "A printed figure is one run with one seed on a machine and a split that we do not know. Scaled runs see "
            "fewer images and smaller models: compare their order, not their height. What a source leaves out is our "
            "choice, and named."
        ),
        functions=(matching.preset_of,),
        source="Dosovitskiy et al. 2021 (arXiv 2010.11929v2); five student reports and talks on it.",
    )
