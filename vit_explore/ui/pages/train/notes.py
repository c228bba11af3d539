"""What stands at the end of the page Train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vit_explore.training import schedule
from vit_explore.ui.kit.panel import Note
from vit_explore.ui.session.warmup import warm_up


def training() -> Note:
    """The loss, the schedule, and one step of the training, its code once torch is there."""
    functions: list[Callable[..., Any]] = [schedule.lr_factor]
    if warm_up().ready:
        from vit_explore.training.loop import Trainer

        functions.append(Trainer._train_step)
    return Note(
        title="Training",
        what_you_see=(
            "The loss on each batch (faint) and its running mean, and the accuracy on validation images that the "
            "training never touches. Below, the same pictures with the model's present answers, and two looks inside "
            "the newest snapshot of its weights."
        ),
        formula=(
            r"\begin{gathered}\min_\theta\; -\sum_c \tilde y_c \log p_c \\"
            r"p = \mathrm{softmax}\big(f_\theta(x)\big) \\"
            r"\tilde y = (1-\varepsilon)\,y + \tfrac{\varepsilon}{C} \\"
            r"\eta(t) = \eta_{\max}\cdot\begin{cases} t/w & t < w \\"
            r"\tfrac12\big(1+\cos \pi\,\tfrac{t-w}{1-w}\big) & t \ge w \end{cases} \\"
            r"t:\ \text{share of the budget spent} \\ w:\ \text{share for the warm-up} \\"
            r"\text{(the schedule \emph{cosine})}\end{gathered}"
        ),
        what_to_look_for=(
            "The accuracy leaves the guessing level within seconds; the last third of the budget, when the learning "
            "rate falls towards 0, brings a late rise. Position tiles grow from noise to neighbourhoods."
        ),
        what_to_beware=(
            "The validation accuracy during training comes from a part of the validation images; only the number at "
            "the end is from the test images, and it is one run with one seed. A loss with label smoothing never "
            "reaches 0; with Mixup or CutMix it is that of mixed images, above the loss on whole ones, and drops "
            "where the mixing ends. Training accuracy would look better than both and mean less; where it is shown, it "
            "is on plain images. With a moving average of the weights, all accuracies and pictures are the average's."
        ),
        functions=tuple(functions),
        source="Muon (Jordan et al. 2024) and AdamW (Loshchilov & Hutter 2019); ViT: Dosovitskiy et al. 2021.",
    )


def speed() -> Note:
    """Why a minute is enough: what was kept after measuring it, by name."""
    functions: list[Callable[..., Any]] = []
    if warm_up().ready:
        from vit_explore.training.optimizers import make_optimizers
        from vit_explore.training.parallel import Replicas

        functions += [Replicas.backward, make_optimizers]
    return Note(
        title="Why is this fast?",
        what_you_see=(
            "- **Muon** learns the matrices of the blocks with orthogonal updates: the largest gain, about six points "
            "in a minute.\n"
            "- **Half-size images** at first: a quarter of the tokens, two to three times the steps. Each patch then "
            "has the mean position of the four that it covers.\n"
            "- **Little regularisation**: a minute wants steps, so the presets mirror the images and leave cropping to "
            "longer runs.\n"
            "- **One replica per core**: each works through its share of the batch without waiting; gradients are "
            "added once a step.\n"
            "- **bf16** where a short probe finds it faster.\n"
            "- **All images in memory**, mirrored and cut as one batch.\n"
            "- **The schedule follows the clock**: a run of 60 s ends with its learning rate at 0."
        ),
        formula=(
            r"\begin{gathered}G = U\,\Sigma\,V^\top \quad\text{(the momentum)} \\"
            r"W \leftarrow W - 0.2\,\eta\,\sqrt{\max(m, n)}\; U V^\top\end{gathered}"
        ),
        what_to_look_for=(
            "The step in the curve at 40 % of the budget, where the images get their full size. Set the optimiser to "
            "adamw or the share at half size to 0, and run the two against each other."
        ),
        what_to_beware=(
            "These choices were made on validation images of CIFAR-10, for minutes on two cores; what was tried, and "
            "what did not help, is written down in docs/tuning.md. Longer runs want cropping, and other data may "
            "want other settings."
        ),
        functions=tuple(functions),
        source="Muon: Jordan et al. 2024, Liu et al. 2025; half size first: Howard 2018, Touvron et al. 2019.",
    )
