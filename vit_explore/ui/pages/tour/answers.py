"""The last five stops: from heads to an answer, and what it takes to learn it."""

from __future__ import annotations

import streamlit as st

from vit_explore import plots
from vit_explore.reports import paper
from vit_explore.ui.kit import closer, looking
from vit_explore.ui.kit.chart import chart
from vit_explore.ui.kit.panel import Note
from vit_explore.ui.kit.pictures import samples
from vit_explore.ui.pages.tour.stop import REF, Stop, bars, model, sample, shown_picture, snapshot

_LAYER = 2  # of the heads, from 1: where they differ most


def _heads() -> None:
    picture = shown_picture()
    maps = looking.attention(REF, picture)
    head: int = st.segmented_control(
        "Head", range(1, maps.weights.shape[2] + 1), default=1, required=True, key="tour_head"
    )
    under = looking.under_maps(REF, picture)
    chart(plots.attention_head(maps, _LAYER - 1, head - 1, None, under, height=380), "tour_heads")
    st.caption(f"Head {head} of layer {_LAYER}, from the class token.")


def _layers() -> None:
    picture = shown_picture()
    values, shape = closer.lens(REF, picture), closer.tokens_of(REF)
    classes = looking.model(REF).classes
    order = sorted(range(len(classes)), key=lambda i: -values[0, -1, 0, i])
    about: int = st.selectbox("Where does it say", order[:5], format_func=classes.__getitem__, key="tour_class")
    chart(plots.logit_lens_maps(values, about, shape.grid, shape.n_prefix, columns=4), "tour_layers")
    st.caption("Yellow is 100 %: what the head would say if it read that patch alone, after each layer.")


def _head() -> None:
    name: str = st.segmented_control(
        "Picture", list(samples()), default=next(iter(samples())), required=True, wrap=True, key="tour_picture",
        format_func=lambda one: one.capitalize(),
    )  # fmt: skip
    picture = sample(name)
    left, right = st.columns([2, 3], gap="medium")
    left.image(looking.seen(REF, picture, 192), caption="the picture", width="stretch")
    with right:
        bars(REF, picture)


def _training() -> None:
    step, picture = snapshot("Training step", "tour_step"), shown_picture()
    ref = model().at(step)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        chart(plots.position_similarity(looking.positions(ref), height=380), "tour_training")
    with right:
        st.markdown("**Its answer then**")
        bars(ref, picture)


def _data() -> None:
    on: str = st.segmented_control(
        "Fine-tuned on", ("ImageNet", *(name for name in paper.TRANSFER if name != "ImageNet")), default="ImageNet",
        required=True, wrap=True, key="tour_on",
    )  # fmt: skip
    at = paper.TRANSFER.index(on)
    models = {name: [None if one is None else one[at] for one in tables] for name, tables in paper.TABLE_5.items()}
    chart(plots.paper_data(paper.PRE_TRAINED_ON, paper.IMAGES, models, on, height=400), "tour_data")
    st.caption(f"{paper.PAPER}, Table 5.")


READ = Note(
    title="The head",
    what_you_see="What the head makes of the class token: a share for each class.",
    formula=r"p = \operatorname{softmax}(W\, \operatorname{LN}(z^0_L) + b)",
    what_to_look_for="The second and the third class: what does the model find alike?",
    what_to_beware="The shares add up to 100 % whatever the picture is. They are no probabilities of the world.",
    source="Dosovitskiy et al. 2021, equation 4; Guo et al. 2017 on calibration",
)
SCALE = Note(
    title="Data and bias",
    what_you_see="Accuracy after fine-tuning against the images of pre-training, for the paper's models, as printed.",
    formula=r"\text{accuracy} = f(\text{images},\ \text{size})",
    what_to_look_for="Where do the lines cross? Left of that, large models lose; right of it, they win.",
    what_to_beware="The horizontal axis is logarithmic: from one mark to the next it is ten or twenty times the data.",
    source="Dosovitskiy et al. 2021, Table 5 and Figure 3",
)
STOPS = (
    Stop(
        "Several heads",
        "One attention can look for one thing at a time. So each layer has several, the **heads**, each with queries, "
        "keys and values of its own; their results are laid side by side and mixed. Choose one after the other: some "
        "look near, some far, some almost everywhere alike.",
        _heads,
        "Are all heads needed?",
        "Often not. Switch them off one by one on the page Attention, tab Head worth: many cost next to nothing, and "
        "a few cost a lot.",
        "attention",
        "attention_maps",
    ),
    Stop(
        "Layer after layer",
        "After the attention each token goes through a small network of its own, the MLP; both together are a block, "
        "and the blocks follow each other. Each adds to what is there, so that one can read the tokens after every "
        "block, as if it were the last: the **logit lens**.",
        _layers,
        "The patches answer only in the last layer. What do the layers before it do?",
        "They prepare: they gather what belongs together, in a language that the head was never trained to read. A "
        "confident answer in an early layer may be an accident.",
        "attention",
        "logit_lens",
    ),
    Stop(
        "Read the answer",
        "After the last block a single matrix, the **head**, turns the class token into one number for each class; "
        "the softmax makes shares of them that add up to 100 %. Try pictures that this model was never trained on: it "
        "has to name one of its ten classes all the same.",
        _head,
        "It is 90 % sure. How often is it right when it says so?",
        "That is a question of its own, calibration: Train draws it for your run. And of a picture of something else "
        "the 90 % say nothing; the page Attention warns when a photo is unlike the training images.",
        "attention",
        READ,
    ),
    Stop(
        "Training",
        "At first all of it is noise: positions, filters, heads. The answer is compared with the truth, and every "
        "number moves a little towards a better answer, again and again. Slide through the steps: the places find "
        "their neighbours, and the answer settles.",
        _training,
        "What is learned first?",
        "Look for yourself: Through time plays any run of yours, with its filters, positions, heads and answers side "
        "by side. Say first what you expect.",
        "film",
        "position_similarity",
    ),
    Stop(
        "Why data matter",
        "A CNN knows two things from the start: neighbours belong together, and a thing is the same wherever it lies. "
        "A ViT has to learn both, from data: that is its missing **inductive bias**. The figure is the paper's: with "
        "1.3 million pictures the larger ViTs are the worse ones, with 300 million they win.",
        _data,
        "So what does one do with a few thousand pictures?",
        "Start from a model that has seen many (Fine-tune), or help it with augmentation and with what convolutions "
        "know (hybrid, local MLPs). In a minute on four classes, a ViT and a ResNet of one size end level: race them.",
        "versus",
        SCALE,
    ),
)
