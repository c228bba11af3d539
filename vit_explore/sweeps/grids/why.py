"""The runs of the lab "Why 14.81 %?": a report's run, and the same with one cause repaired; and the other way round."""

from __future__ import annotations

from typing import Any

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.sweeps.definition import Cell, Sweep, add

NOTHING = "nothing"
REPAIRED, BROKEN = "the report's run, this repaired", "a sound run, this broken"

# cause -> (what the report had, what repairs it), by the flat names of settings
CAUSES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "attention": ({"attend_over": "batch"}, {"attend_over": "tokens"}),
    "norm": ({"norm": "post", "warmup_fraction": 0.0}, {"norm": "pre", "warmup_fraction": 0.1}),
    "patches": ({"patch_size": 16}, {"patch_size": 4}),
    "recipe": ({"augment": "none", "epochs": 5.0}, {"augment": "flip+crop", "epochs": 10.0}),
}
HEAD = "head"  # no cause of the list, but what decides how much the first one does

_ALIKE = RunConfig(
    data=DataConfig(per_class=800),
    model=ModelConfig(architecture="report-vit", width=64, depth=4, num_heads=4, mlp_ratio=4.0, dropout=0.1),
    train=TrainConfig(
        epochs=5, batch_size=64, optimizer="adam", lr=1e-3, weight_decay=1e-4, schedule="constant",
        label_smoothing=0.0, grad_clip=0.0, low_res_fraction=0.0, evaluations=10,
    ),
)  # fmt: skip


def settled(*repaired: str) -> RunConfig:
    """The run in which these causes are repaired and the others are as in the report."""
    changes: dict[str, Any] = {}
    for cause, (broken, sound) in CAUSES.items():
        changes |= sound if cause in repaired else broken
    return _ALIKE.update(**changes)


REPORT, SOUND = settled(), settled(*CAUSES)


def _cells(cause: str) -> tuple[Cell, Cell]:
    others = [name for name in CAUSES if name != cause]
    return Cell(cause, REPAIRED, settled(cause)), Cell(cause, BROKEN, settled(*others))


add(
    Sweep(
        name="why",
        title="Why 14.81 %?",
        question="A report's ViT reached 14.81 % on CIFAR-10. Which of its mistakes explains that?",
        rows="what is changed",
        columns="in",
        cells=(
            Cell(NOTHING, REPAIRED, REPORT, "the report's run"),
            Cell(NOTHING, BROKEN, SOUND, "all repaired"),
            *(cell for cause in CAUSES for cell in _cells(cause)),
            Cell(HEAD, REPAIRED, REPORT.update(pool="avg"), "the head reads the mean of the patches"),
        ),
        source="A student report on Dosovitskiy et al. 2021",
        scaled=(
            "A quarter of the report's width (64 in place of 256, 4 heads, MLP 256) and a fifth of its images (8,000 "
            "of 40,000), so that an epoch has 125 steps in place of 625. Its patch size, weight decay and head are not "
            "reported: 16 px, 1e-4 and a class token are our choice; dropout 0.1 and ReLU are torch's defaults."
        ),
        look_for="Which single change moves the figure by more than the seeds do.",
        axis="seconds",
        place=None,
    )
)
