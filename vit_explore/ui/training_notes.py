"""What stands at the end of the pages Train, ViT vs ResNet and Runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vit_explore.runs import export
from vit_explore.training import schedule
from vit_explore.ui import runs_table, versus
from vit_explore.ui.panel import Note
from vit_explore.ui.warmup import warm_up


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
            r"\begin{gathered}\min_\theta\; -\sum_c \tilde y_c \log \mathrm{softmax}\big(f_\theta(x)\big)_c \\"
            r"\tilde y = (1-\varepsilon)\,y + \tfrac{\varepsilon}{C} \\"
            r"\eta(t) = \eta_{\max}\cdot\begin{cases} t/w & t < w \\"
            r"\tfrac12\big(1+\cos \pi\,\tfrac{t-w}{1-w}\big) & t \ge w \end{cases} \\"
            r"t:\ \text{share of the budget spent},\quad w:\ \text{share for the warm-up}\end{gathered}"
        ),
        what_to_look_for=(
            "The accuracy leaves the guessing level within seconds; the last third of the budget, when the learning "
            "rate falls towards 0, brings a late rise. Position tiles grow from noise to neighbourhoods."
        ),
        what_to_beware=(
            "The validation accuracy during training comes from a part of the validation images; only the number at "
            "the end is from the test images, and it is one run with one seed. A loss with label smoothing never "
            "reaches 0. Training accuracy would look better than both and mean less."
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
        functions=(versus.disagreements, versus.differences),
        source=(
            "Training costs about three forward passes (Kaplan et al. 2020), of half-size images a quarter; "
            "ViT, ResNet: Dosovitskiy et al. 2021."
        ),
    )


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
        functions=(runs_table.metrics_csv, export.exported),
        source="Weights are safetensors; a ViT's parameter names are timm's, so timm's VisionTransformer loads them.",
    )
