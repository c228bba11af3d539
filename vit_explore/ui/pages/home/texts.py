"""What Home says: the ways to go on, and the note behind the figure."""

from __future__ import annotations

from dataclasses import dataclass

from vit_explore.ui.kit.panel import Note


@dataclass(frozen=True)
class Way:
    """A card that leads on. links: (page, its title where the page has another)."""

    title: str
    text: str
    links: tuple[tuple[str, str | None], ...]


WAYS = (
    Way(
        "1 · Cut a picture",
        "Take a photo of your own and see the tokens that a transformer gets from it.",
        (("patches", None),),
    ),
    Way(
        "2 · Train one",
        "Press one button. A minute later a small ViT tells airplanes from cats, and you saw it learn.",
        (
            ("train", None),
            ("versus", "Race it against a ResNet"),
            ("reports", "Repeat the paper and the reports"),
        ),
    ),
    Way(
        "3 · Look inside",
        "Slide from the first step to the last and see its parts form.",
        (
            ("attention", None),
            ("positions", None),
            ("filters", None),
        ),
    ),
)

NOTE = Note(
    title="The Vision Transformer",
    what_you_see="Figure 1 of the paper, step by step on a real picture: pixels become patches, patches become tokens, "
    "the tokens exchange information, and one of them is read out as the answer.",
    formula=r"z_0 = [x_\text{class};\, x^1_p E;\, \dots;\, x^N_p E] + E_\text{pos} \qquad "
    r"z'_l = \operatorname{MSA}(\operatorname{LN}(z_{l-1})) + z_{l-1} \qquad "
    r"z_l = \operatorname{MLP}(\operatorname{LN}(z'_l)) + z'_l \qquad "
    r"y = \operatorname{head}(\operatorname{LN}(z^0_L))",
    what_to_look_for="How little of the picture is built in: only the cut into patches. That neighbours belong "
    "together, the model has to find out. The page Position embeddings shows that it does.",
    what_to_beware="The figure has nine patches so that it reads from the back row; the models here have 16 to 196. "
    "The vectors and the lines are drawn to explain, not computed by a trained model; on the page Attention they are "
    "real.",
    source="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, Figure 1 and equations 1 to 4",
    code=("vit_explore.models.vit.net", "VisionTransformer"),
)
