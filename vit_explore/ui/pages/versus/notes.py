"""What stands at the end of the page ViT vs ResNet."""

from __future__ import annotations

from vit_explore.ui.kit.panel import Note
from vit_explore.ui.pages.versus import comparison


def race() -> Note:
    """The axes of the race, and what a comparison is worth."""
    return Note(
        title="ViT against ResNet",
        what_you_see=(
            "The validation accuracy of two runs. Against epochs or images seen both have looked at the same "
            "pictures in the same order; against wall time or FLOPs the cheaper model gets further."
        ),
        formula=(
            r"\begin{gathered}\mathrm{FLOPs}(t) = 3 \cdot \mathrm{FLOPs}_{\text{forward}} \cdot n_{\text{images}}(t) \\"
            r"\mathrm{F_1} = \tfrac{1}{C}\sum_c \frac{2\,TP_c}{2\,TP_c + FP_c + FN_c}\end{gathered}"
        ),
        what_to_look_for=(
            "Who leads depends on the axis. The ResNet learns more from each image and spends fewer FLOPs on it; "
            "which of the two sees more images in the same time depends on the machine. In the confusion matrices, "
            "whether both mix up the same classes."
        ),
        what_to_beware=(
            "One run each, with one seed: a difference of one or two points is noise. On few images and short "
            "budgets ViTs look worse than they are on many. Wall time depends on this machine; FLOPs do not, but the "
            "same number of FLOPs takes different time in the two."
        ),
        functions=(comparison.disagreements, comparison.differences),
        source=(
            "Training costs about three forward passes (Kaplan et al. 2020), of half-size images a quarter; "
            "ViT, ResNet: Dosovitskiy et al. 2021."
        ),
    )
