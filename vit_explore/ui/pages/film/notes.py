"""The text behind the page Through time."""

from __future__ import annotations

from vit_explore.ui.kit.panel import Note

NOTE = Note(
    title="Through time",
    what_you_see=(
        "The snapshots that were kept of one training, asked the same questions about one picture: its answer, where "
        "its class token looks, what each patch alone would answer, its position embeddings, its filters, how far and "
        "how spread its heads look. All panels always show the same step."
    ),
    formula=r"\text{frame}_t = f(x;\,\theta_t) \qquad t \in \{0, 1, 2, 4, \dots, T\}",
    what_to_look_for=(
        "What comes first? In most small runs colours appear in the filters, then neighbours become alike in the "
        "position embeddings, and only then do heads leave the even spread. Does the answer settle before or after "
        "the attention does?"
    ),
    what_to_beware=(
        "Snapshots lie close together early and far apart late, so equal frames are not equal times. Colours run over "
        "one scale for the whole film: an early map is dark because it says little, not because it is missing. The "
        "followed class is what the last snapshot answers, right or wrong. Filters are put in the order of the last "
        "snapshot, each matched to its nearest."
    ),
    source="Dosovitskiy et al. 2021, figures 6 and 7; nostalgebraist 2020; Darcet et al. 2024",
    cost="a forward pass, the logit lens and an SVD of the filters for each snapshot",
    example=(
        'import vit_explore as vx\n\nfilm = vx.film.record("bundled:vit-cifar10", "photo.jpg")\n'
        'vx.film.write(film, "film.html")  # or .gif, .webp'
    ),
)
