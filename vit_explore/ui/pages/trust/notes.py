"""The texts behind the page."""

from __future__ import annotations

from vit_explore.ui.kit.panel import Note, of_explanation


def trust() -> list[Note]:
    """The ranking, and the curves it rests on."""
    ranking = Note(
        title="The ranking",
        what_you_see=(
            "For each method the mean over the images of insertion minus deletion, less that of a random map: one "
            "drawn patch by patch for maps of patches, pixel by pixel for maps of pixels (I′ and D′ in the formula)."
        ),
        formula=r"g_i = (I_i - D_i) - (I_i' - D_i') \qquad g \pm t_{0.975}\; s / \sqrt{n}",
        what_to_look_for=(
            "Which methods are clearly better than chance, on a ViT and on a ResNet? Does raw attention beat chance at "
            "all? Does the best one also stay on the object, where its place is known (Shapes)?"
        ),
        what_to_beware=(
            "Half-deleted pictures are unlike anything the model was trained on, so a method may win for that alone. "
            "Deletion rewards what moves this model, not what a person would point at. Each interval is its own: of "
            "twenty, one is off."
        ),
        source="Petsiuk et al. 2018; Adebayo et al. 2018 (shuffled weights); Zhang et al. 2018 (pointing game)",
        code=("vit_explore.trust.ranking", "rank"),
        cost="for each method its map, and 130 forward passes of an image",
        example=(
            'import torch\nimport vit_explore as vx\n\nmodel = vx.load_model("bundled:vit-cifar10")\n'
            'val = vx.load_dataset(vx.DataConfig(dataset="cifar10")).val\n'
            "images = torch.cat([model.preprocess(image.transpose(1, 2, 0)) for image in val.images[:128]])\n"
            'ranking = vx.trust.rank(model, images, val.labels[:128], precision="auto")\nprint(ranking.sentence)'
        ),
    )
    return [ranking, of_explanation("faithfulness")]
