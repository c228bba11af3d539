"""Whether the model knows this kind of picture at all, and the training images that are most like it."""

from __future__ import annotations

import streamlit as st

from vit_explore.errors import BadConfig
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import enlarged
from vit_explore.ui.kit.picture_data import own_data
from vit_explore.ui.kit.pictures import Picture
from vit_explore.ui.kit.text import escaped
from vit_explore.ui.kit.wording import ACTIVE
from vit_explore.ui.session import address, caches
from vit_explore.ui.session.choice import Choice

NAMES = {"softmax": "its largest probability", "energy": "the energy of its answer", "distance": "its features"}
TILE = 56  # pixels of a training image on the page
MEASURED = (  # docs/findings.md, which a test holds this to
    "How far to trust this: shown drawn shapes, the bundled models of CIFAR-10 warned of 16 to 29 % of them, and of "
    "4 % of their own test images."
)
SURE = 0.9  # of a rank: by what a picture is called strange


def show(choice: Choice, picture: Picture) -> None:
    """Draw it for a picture from elsewhere, where the model's own data are here: it knows its own kind."""
    ref = choice.ref
    if str(address.get("picture")).rpartition(":")[0] == ref.partition("@")[0]:
        return
    data = own_data()
    if data is None:
        return
    if choice.is_latest and _is_in_training(choice.base):  # each snapshot would be held against thousands of images
        st.caption("Whether it knows such pictures is asked when its training has ended.")
        return
    try:
        strange, near, known = closer.strangeness(ref, picture, data)
    except BadConfig as error:  # too few validation images: nothing that this picture is at fault for
        st.caption(f"Whether it knows such pictures cannot be told: {escaped(str(error))}")
        return
    less = 100 * float(strange.together[0])
    told = f"stranger than {less:.0f} % of its validation images"
    if strange.is_strange[0]:
        by = [NAMES[name] for name, ranks in strange.ranks.items() if ranks[0] > SURE]
        signs = f", by {' and '.join(by)}" if by else ""
        st.warning(
            f"This is unlike what it was trained on: {told}{signs}. It has to name one of its classes all the same.",
            icon=":material/help:",
        )
        st.caption(MEASURED)
    else:
        st.caption(f"It knows such pictures: {told}.")
    with st.expander("The training images most like it, to this model"), st.container(horizontal=True, gap="small"):
        classes = looking.model(ref).classes
        for place, cosine in near:
            pixels = known.train.images[place].transpose(1, 2, 0)
            name = escaped(classes[int(known.train.labels[place])])
            st.image(enlarged(pixels, TILE), caption=f"{name} {cosine:.2f}", width=TILE, alt=f"Training image: {name}")


def _is_in_training(base: str) -> bool:
    kind, _, run = base.partition(":")
    return kind == "run" and caches.store().get(run).state in ACTIVE
