"""What stands at the end of the page Why 14.81 %?"""

from __future__ import annotations

from vit_explore.labs import why as lab
from vit_explore.ui.kit.panel import Note


def why() -> Note:
    """How a cause is judged, and what that is worth."""
    return Note(
        title="Why 14.81 %?",
        what_you_see=(
            "Two ways to ask for a cause: repair it alone in the failing run, and put it alone into a sound run. A "
            "cause that fails the first may be masked by another one that still holds; one that fails the second may "
            "harm only in company. The same on the command line: `python -m vit_explore sweep why`, and from Python "
            '`vx.labs.run("why")`.'
        ),
        formula=(
            r"\mathrm{softmax}\left(\tfrac{QK^\top}{\sqrt{d}}\right)V \qquad "
            r"Q, K, V \in \mathbb{R}^{N \times d}: \text{ an image's } N \text{ tokens} \qquad "
            r"\text{not } \mathbb{R}^{B \times d}: \text{ a place in } B \text{ images} \qquad "
            r"\sum_{b=1}^{625} \mathcal{L}_b = 1407 \;\Rightarrow\; \bar{\mathcal{L}} = 2.25 \qquad \ln 10 = 2.30"
        ),
        what_to_look_for=(
            "Whether a cause moves the figure by more than the seeds differ, and in which of the two directions. Which "
            "of your guesses were about the figure, and which only about good habits."
        ),
        what_to_beware=(
            "The runs are smaller than the report's, and what it leaves out is our choice: the figure itself need not "
            "come out. A cause without an effect here may have one in a wider, deeper or longer run. “Clear” means "
            "that all seeds of one side beat all of the other, by a point on average: with three seeds of each, chance "
            "alone does that once in twenty times, and the table makes eight such comparisons. With fewer seeds "
            "nothing is called clear."
        ),
        functions=(lab.is_clear, lab.verdict),
        code=("vit_explore.models.report_vit.net", "ReportViT"),
        source="A student report; torch.nn.TransformerEncoderLayer; Xiong et al. 2020 on pre-norm and warm-up.",
    )
