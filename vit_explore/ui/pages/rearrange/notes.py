"""The text behind the page Rearrange it."""

from __future__ import annotations

from vit_explore.ui.kit.panel import Note

NOTE = Note(
    title="Rearrange it",
    what_you_see=(
        "The picture as the model sees it, in pieces. At every move both models are asked again: their answers beside "
        "those to the whole picture, and where the ViT's class token looks, or what speaks for the ResNet's answer."
    ),
    formula=r"x'_i = R^{k_i}\, x_{\pi(i)} \qquad f_{\text{no positions}}(x_\pi) = f_{\text{no positions}}(x)",
    what_to_look_for=(
        "Shuffle eight pieces along a side of a ViT with 4-pixel patches: each piece is a token, and only the position "
        "embeddings know where it was. A ViT without them gives the very same answer. Cover the background, then the "
        "object: which costs more? Turn one piece that holds an eye or a wheel."
    ),
    what_to_beware=(
        "Nobody trained these models on such pictures, so a lost answer says what training taught, not what the "
        "architecture could learn. Borders between pieces are edges of their own, which a ResNet sees."
    ),
    source="Naseer et al. 2021; Dosovitskiy et al. 2021, section 3.1",
    cost="a forward pass, and one with its gradient for Grad-CAM, of each model at each move",
    code=("vit_explore.data.pieces", "rearranged"),
)
