"""The text behind a lab."""

from __future__ import annotations

from vit_explore.labs.base import Lab
from vit_explore.ui.kit.panel import Note


def of_records(lab: Lab) -> Note:
    """What was trained, and how to do it again."""
    return Note(
        title=lab.title,
        what_you_see=(
            "Test accuracy of three models that learned from so many images, the mean of three seeds; the band is from "
            "the lowest seed to the highest. Each run saw 40,000 images: a small set again and again, all of it once."
        ),
        formula=r"\mathrm{gain}(n_k) = \overline{\mathrm{acc}}(n_{k+1}) - \overline{\mathrm{acc}}(n_k)",
        what_to_look_for=lab.expected,
        what_to_beware=(
            "Models of 311,000 parameters (the hybrid 620,000), a minute of training, one recipe for all: with longer "
            "training or another recipe they cross elsewhere. From 5,000 images on, the steps are what bounds all."
        ),
        source="Dosovitskiy et al. 2021, Figures 3 and 4",
        cost="45 recorded runs; again: about an hour on two cores",
        example=(
            f'import vit_explore as vx\n\n*_, result = vx.labs.run("{lab.name}")\nprint(result.verdict)\n'
            "# python -m vit_explore sweep data"
        ),
    )


def of_lab(lab: Lab) -> Note:
    """What is done, and how to do it from Python."""
    return Note(
        title=lab.title,
        what_you_see=(
            "The share of validation images that each model still gets right as they are changed more and more. The "
            "band is a 95 % interval; the diamond is your guess."
        ),
        formula=r"\mathrm{acc}(s) = \frac{1}{n}\sum_i \bigl[\arg\max f(T_s(x_i)) = y_i\bigr]",
        what_to_look_for=lab.expected,
        what_to_beware=(
            "The models here are small and were trained for minutes to an hour: what large ones do may differ. A "
            "changed picture is unlike what was trained on; a model that had seen such pictures would do better."
        ),
        source="Naseer et al. 2021; Park & Kim 2022; Goodfellow et al. 2015; Geirhos et al. 2019",
        cost=f"{len(lab.levels)} forward passes of each image",
        example=(
            'import vit_explore as vx\n\nval = vx.load_dataset(vx.DataConfig(dataset="cifar10")).val\n'
            'refs = ("bundled:vit-cifar10", "bundled:resnet-cifar10")\n'
            f'*_, result = vx.labs.run("{lab.name}", refs, val.images[:512], labels=val.labels[:512])\n'
            "print(result.verdict)"
        ),
    )
