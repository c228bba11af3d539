"""The architecture and its knobs. Which of them an architecture uses, and how far, its card says."""

from __future__ import annotations

from functools import partial
from typing import Literal

from pydantic import model_validator

from vit_explore.cards import Card, card_of
from vit_explore.config.fields import Config, setting

_knob = partial(setting, fair="never")  # the model is what is compared


class ModelConfig(Config):
    """The architecture. Fields that an architecture has no use for are ignored by it."""

    architecture: str = _knob(
        "vit", "The architecture by name, or timm:NAME for any timm model.",
        flat="model", label="Architecture", registry="vit_explore.cards:cards", is_open=True, for_all=True,
    )  # fmt: skip
    image_size: int = _knob(
        32, "Side of the model's input; images of another size are resized on their way, batch by batch.",
        ge=8, le=512, flat="input_size", follows="image_size", empty="that of the data", label="Input size (px)",
        words="input size", for_all=True, advanced=True,
    )  # fmt: skip
    crop: float = _knob(
        1.0,
        "Share of the resized side that is cut out around the centre: 0.875 with an input size of 224 is a resize to "
        "256 px and a crop to 224.",
        ge=0.1, le=1, label="Centre crop", for_all=True, advanced=True,
    )  # fmt: skip
    num_classes: int = _knob(10, "Outputs; follows the data.", ge=1, follows_data=True)
    patch_size: int = _knob(
        4, "Side of a patch in pixels; must divide the image size.", ge=1, le=64, label="Patch size (px)"
    )
    width: int = _knob(96, "Embedding width D; a multiple of the heads.", ge=8, le=1536, label="Width D")
    depth: int = _knob(4, "Transformer blocks L.", ge=1, le=48, label="Depth (blocks)")
    num_heads: int = _knob(4, "Attention heads H per block.", ge=1, le=32, label="Heads")
    mlp_ratio: float = _knob(2.0, "Hidden width of the MLP divided by D.", gt=0, le=8, label="MLP ratio")
    pos_embed: Literal["none", "learned", "sincos2d"] = _knob(
        "learned", "Position embedding added to the patch tokens.", label="Position embedding"
    )
    pool: Literal["cls", "avg"] = _knob(
        "cls", "What the head reads: the class token, or the mean of the patch tokens.", label="Pooling"
    )
    stem: Literal["patch", "conv"] = _knob(
        "patch",
        "patch: the paper's linear projection of each patch; conv: small convolutions first (its hybrid).",
    )
    mlp: Literal["plain", "local"] = _knob(
        "plain",
        "plain: the paper's two linear layers; local: a 3 × 3 convolution over the grid of patches before them, each "
        "channel for itself, so that what lies beside a patch is built in (Li et al. 2021, LocalViT).",
        label="MLP", advanced=True,
    )  # fmt: skip
    num_registers: int = _knob(
        0, "Extra learned tokens (Darcet et al. 2024).", ge=0, le=16, label="Registers", advanced=True
    )
    semantic_tokens: int = _knob(
        16, "Tokens that the visual-transformer gathers the picture in.", ge=1, le=64, label="Semantic tokens"
    )
    recurrent: bool = _knob(
        False,
        "From the second module on, the previous tokens decide what the new ones gather (Wu et al. 2020).",
        label="Recurrent tokenizer",
        advanced=True,
    )
    dropout: float = _knob(
        0.0, "Dropout after the embedding, the attention projection and in the MLP.", ge=0, lt=1, advanced=True
    )
    drop_path: float = _knob(
        0.0, "Stochastic depth of the last block, growing linearly from 0.", ge=0, lt=1, advanced=True
    )
    attend_over: Literal["tokens", "batch"] = _knob(
        "tokens",
        "tokens: each token attends to its own image's; batch: to the same place in the other images of the batch, as "
        "torch's layers do with batch_first left at its default.",
        label="Attention over", advanced=True,
    )  # fmt: skip
    norm: Literal["pre", "post"] = _knob(
        "pre", "LayerNorm before each sublayer (the paper's), or after the residual sum (torch's default).",
        label="Place of the norm", advanced=True,
    )  # fmt: skip
    pretrained: bool = setting(  # weights that saw other pictures are no match for fresh ones
        False,
        "Start a timm model from its published weights (needs a network or a filled cache). The pixels are normalised "
        "as `normalize` says; init_from = timm:NAME takes the mean and deviation that the weights know.",
        advanced=True,
    )

    init_from: str | None = setting(  # as for pretrained
        None, "Start from these weights: run:ID@STEP, bundled:NAME, timm:NAME (published weights) or FILE.safetensors. "
        "Architecture and sizes follow them, the head starts anew at 0; not given: from scratch.",
        label="Start from", words="what it starts from", empty="from scratch", advanced=True, for_all=True,
    )  # fmt: skip

    @property
    def card(self) -> Card:
        """What is known of the architecture without building it."""
        return card_of(self.architecture)

    @property
    def takes_half_size(self) -> bool:
        """Whether the model can also be trained on images of half its side."""
        return self.card.takes_half_size(self)

    @property
    def answers_twice(self) -> bool:
        """Whether the model can be asked for a second answer in training, from the mean of its patches."""
        return self.card.answers_twice(self)

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        if self.init_from is None or self.card.fields.keys() <= self.model_fields_set:  # else its sizes are to follow
            self.card.validate(self)
        return self
