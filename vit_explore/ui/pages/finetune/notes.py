"""What stands at the end of the page Fine-tune."""

from __future__ import annotations

from vit_explore.ui.kit.panel import Note


def baselines() -> Note:
    """Frozen features, and what can be had from them without training."""
    return Note(
        title="Before training",
        what_you_see=(
            "How well a frozen model tells *your* classes apart. Each picture goes through it once and becomes a list "
            "of numbers, its features: what the head would read. Four classifiers then work on these numbers alone."
        ),
        formula=(
            r"\hat y_{\text{mean}} = \arg\min_c \left\| \tfrac{f}{\|f\|} - \mu_c \right\| \qquad "
            r"\hat y_{k\text{NN}} = \operatorname{mode}\{ y_i : i \in N_k(f) \} \qquad "
            r"\min_{W,b}\; \tfrac1n \sum_i \mathrm{CE}(W f_i + b, y_i) + \tfrac{\lambda}{2} \|W\|^2"
        ),
        what_to_look_for=(
            "Whether the class means alone do well: then the classes are already apart in the features. If only the "
            "linear probe does, what tells them apart is there, but is not what the model finds most important."
        ),
        what_to_beware=(
            "The untrained head is at chance, and says nothing of the model. It is no zero-shot classifier as CLIP is: "
            "CLIP's head is made of words for the classes. *k* and λ are chosen on the validation images; the test "
            "images are looked at once."
        ),
        source="k-NN and linear probes: Caron et al. 2021 (DINO), Chen et al. 2020 (SimCLR), appendix B.8; CLIP: "
        "Radford et al. 2021.",
        code=("vit_explore.tuning.baselines", "nearest_mean"),
        example=(
            "import vit_explore as vx\n\n"
            "steps = vx.tuning.probe('bundled:vit-minute', vx.DataConfig(classes=('dog', 'ship')))\n"
            "for what, share in steps:\n    print(f'{share:.0%} {what}')"
        ),
    )


def fine_tuning() -> Note:
    """Zero head, layer decay, resampled positions."""
    return Note(
        title="Fine-tuning",
        what_you_see=(
            "Runs that start from the weights of another model. Everything is taken over but the head, which starts at "
            "0 for the new classes. A **linear probe** trains the head on frozen features; **full fine-tuning** moves "
            "every weight."
        ),
        formula=(
            r"\mathrm{lr}_\ell = \mathrm{lr} \cdot d^{\,L - \ell} \qquad "
            r"E_{\text{pos}} \in \mathbb{R}^{g \times g \times D} \;\xrightarrow{\text{bicubic}}\; "
            r"\mathbb{R}^{g' \times g' \times D}"
        ),
        what_to_look_for=(
            "How fast the first epochs go beside the run from scratch, and how far ahead it ends. With few pictures "
            "the probe may beat full fine-tuning, which has more to get wrong."
        ),
        what_to_beware=(
            "Weights that have seen the same pictures remember them. Pixels are normalised as the source model saw "
            "them. A ViT on another grid has its position embeddings resampled: look at them before and after. One run "
            "with one seed: a point or two is noise."
        ),
        source=(
            "Zero head, 2-D interpolation: Dosovitskiy et al. 2021, section 3.2; layer-wise decay: Clark et al. 2020 "
            "(ELECTRA), Bao et al. 2022 (BEiT), here with timm's layers."
        ),
        code=("vit_explore.training.transfer", "transferred"),
        example=(
            "import vit_explore as vx\n\n"
            "config = vx.RunConfig(\n    data=vx.DataConfig(classes=('dog', 'ship')),\n"
            "    model=vx.ModelConfig(init_from='bundled:vit-minute'),\n"
            "    train=vx.TrainConfig(epochs=20, tune='head', optimizer='adamw', lr=0.03),\n)\n"
            "for event in vx.fit(config):\n    print(type(event).__name__)"
        ),
    )
