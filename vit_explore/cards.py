"""Cards: what is known of an architecture, and of an optimiser, before torch is there.

A file of `models/` registers a `Card` beside its net, a file of `training/rules/` a `Rule`; both import torch only when
they build. Whoever lists, colours, compares or offers asks the card: a substring of a name decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vit_explore.errors import BadConfig, UnknownName
from vit_explore.registry import Registry

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from vit_explore.config import ModelConfig, TrainConfig

QUESTIONS = {
    "patches": "cuts the picture into patches",
    "positions": "adds position embeddings to the patches",
    "filters": "has a first layer on RGB pixels",
    "attention": "has maps of patch × patch",
    "grad_cam": "has feature maps, or tokens on a grid",
}
RARE_QUESTIONS = {  # which a usual ViT does not answer
    "semantic_tokens": "gathers the picture in a few tokens, each of which looks at places of its own",
}
WhichParameter = Callable[[str, int], bool]  # (name, ndim) of a parameter


@dataclass(frozen=True)
class Knob:
    """A field of ModelConfig that an architecture uses; its bounds here where they are narrower than the field's."""

    field: str
    ge: float | None = None
    le: float | None = None
    choices: tuple[str, ...] = ()

    def refuse(self, architecture: str, value: Any) -> None:
        """Raises BadConfig for a value that the architecture does not take."""
        if self.choices and value not in self.choices:
            allowed = " or ".join(self.choices)
        elif (self.ge is not None and value < self.ge) or (self.le is not None and value > self.le):
            low, high = ("" if bound is None else f"{bound:g}" for bound in (self.ge, self.le))
            allowed = f"{low} to {high}" if low and high else f"{low} or more" if low else f"{high} at most"
        else:
            return
        raise BadConfig(f"{self.field} = {value!r} is not possible: {architecture} takes {allowed}.", self.field)


def knobs(*fields: str) -> tuple[Knob, ...]:
    """Fields of ModelConfig with no bounds but their own."""
    return tuple(map(Knob, fields))


def _anything(config: ModelConfig) -> None:
    """Every configuration fits."""


def _never(*_: Any) -> bool:
    return False


def vectors(name: str, ndim: int) -> bool:
    """Biases and the scales of norms."""
    return ndim < 2


@dataclass(frozen=True)
class Card:
    """An architecture, without its net."""

    name: str  # as in ModelConfig.architecture
    title: str  # for people
    family: str  # whose colour and marker it has; runs of two families race each other; "" for an unknown one
    about: str  # what it is, in one sentence
    paper: str
    build: Callable[[ModelConfig], nn.Module]  # imports torch when called
    knobs: tuple[Knob, ...] = ()
    answers: frozenset[str] = frozenset()  # of QUESTIONS and RARE_QUESTIONS
    check: Callable[[ModelConfig], None] = _anything  # raises BadConfig for sizes that do not go together
    takes_half_size: Callable[[ModelConfig], bool] = _never  # in training, images of half the side
    answers_twice: Callable[[ModelConfig], bool] = _never  # `model(x, both=True)` answers by the mean patch, too
    is_random: Callable[[ModelConfig], bool] = _never  # draws random numbers in training, as dropout does
    matrices: WhichParameter = _never  # those that Muon updates
    spared: WhichParameter = vectors  # those without weight decay
    describe: Callable[[ModelConfig], str] | None = None  # the model in a run's name; without it the card's name
    timm_recipe: Callable[[ModelConfig], str] | None = None  # Python that makes timm's `model` for the same weights
    imports: str = ""  # what building it imports besides torch, where that is heavy

    @cached_property
    def fields(self) -> Mapping[str, Knob]:
        """The knobs by their field of ModelConfig."""
        return {knob.field: knob for knob in self.knobs}

    def validate(self, config: ModelConfig) -> None:
        """Raises BadConfig for a configuration that cannot be built."""
        for knob in self.knobs:
            knob.refuse(self.name, getattr(config, knob.field))
        self.check(config)

    def says(self, config: ModelConfig) -> str:
        """The model in a few words, for the name of a run."""
        return self.describe(config) if self.describe else self.name


@dataclass(frozen=True)
class Collection:
    """Architectures that another package knows by name, such as timm's."""

    form: str  # how one is written, for messages
    find: Callable[[str], Card | None]  # the card of a name; None where the name is none of its own


@dataclass(frozen=True)
class Rule:
    """An optimiser: `make` gives the parts that it is made of, by name, each with its own parameters."""

    name: str
    help: str  # what it does, in a few words
    make: Callable[[nn.Module, Card, TrainConfig], dict[str, Optimizer]]  # imports torch when called


cards: Registry[Card] = Registry("model", package="vit_explore.models")
collections: Registry[Collection] = Registry("collection of models", package="vit_explore.models")
rules: Registry[Rule] = Registry("optimiser", package="vit_explore.training.rules")


def card_of(architecture: str) -> Card:
    """The card of an architecture; of an unknown one a card that answers nothing and refuses to build."""
    if architecture in cards:
        return cards.get(architecture)
    found = (collection.find(architecture) for _, collection in collections)
    return next((card for card in found if card is not None), None) or _unknown(architecture)


def _unknown(architecture: str) -> Card:
    def build(config: ModelConfig) -> nn.Module:
        forms = "".join(f", or {collection.form}" for _, collection in collections)
        raise UnknownName(f"There is no model named {architecture!r}; choose one of {', '.join(cards.names())}{forms}.")

    return Card(architecture, architecture, "", "An architecture that is not known here.", "", build)


def offered(question: str, card: Card) -> bool:
    """Whether a page that asks this of QUESTIONS or RARE_QUESTIONS fits the model."""
    return question in card.answers


def rivals(architecture: str) -> list[str]:
    """The registered architectures that another can race against."""
    return [name for name in cards.names() if name != architecture]


def answers_all(card: Card, questions: Iterable[str] = QUESTIONS) -> bool:
    """Whether every page fits the model."""
    return all(offered(question, card) for question in questions)
