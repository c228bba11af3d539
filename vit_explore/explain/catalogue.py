"""What the pages and the tests know of each explanation: the cards in its files, which are read, not imported.

A new explanation is a file here with its function, named in `__all__`, and its `CARD`, and its figure in plots.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vit_explore.discovery import declared
from vit_explore.registry import Registry

BUNDLED = "bundled:vit-cifar10"
# What the names in an example stand for; `model` may also be a module alone.
SETTING = f"""\
import torch
import vit_explore as vx

model = vx.load_model("{BUNDLED}")
picture = vx.load_image("photo.jpg")
images = model.preprocess(picture)"""


@dataclass(frozen=True)
class Explanation:
    """A card: all values written out, so that they can be read without importing torch.

    needs: attention (from patch to patch), positions (a position embedding for each patch), patches (a sequence of
    patch tokens), semantic tokens (each gathers places of a map), convolutions or any (every model). gives: the shape
    of the result, or of its fields: B images of h x w px, L layers, I and J compared ones, H heads, N tokens, gh x
    gw patches, C classes; no shape where it is a number. example: code that makes `result`, after `setting`; figure:
    the call that draws it; model: a reference, where the bundled ViT cannot answer.
    """

    name: str  # the function, vx.explain.<name>
    title: str
    needs: Literal["attention", "positions", "patches", "semantic tokens", "convolutions", "any"]
    cost: str  # in forward passes of one image, in words
    gives: str
    source: str
    formula: str  # LaTeX
    what_you_see: str
    what_to_look_for: str
    what_to_beware: str
    example: str
    figure: str
    model: str = BUNDLED
    module: str = ""  # its file in this package, filled in as the card is found

    @property
    def setting(self) -> str:
        """What comes before the example."""
        return SETTING.replace(BUNDLED, self.model)

    @property
    def function(self) -> Callable[..., Any]:
        """The function itself, imported now."""
        function: Callable[..., Any] = getattr(importlib.import_module(f"{__package__}.{self.module}"), self.name)
        return function


class _Cards(Registry[Explanation]):
    """The cards of all files in this package, by the names of their functions."""

    _seen: tuple[str, ...] = ()

    def _discover(self) -> None:
        paths = tuple(importlib.import_module(str(__package__)).__path__)
        with self._lock:
            if paths != self._seen:
                cards = [_read(file, value) for file, value in declared(paths, "CARD")]
                self._members, self._seen = {card.name: card for card in cards}, paths


def _read(file: str, value: ast.expr) -> Explanation:
    if not isinstance(value, ast.Call):
        raise ImportError(
            f"The CARD of {file}.py must be one call, Explanation(name=..., ...), with all values written."
        )
    return Explanation(**{str(k.arg): ast.literal_eval(k.value) for k in value.keywords}, module=file)


EXPLANATIONS: Registry[Explanation] = _Cards("explanation")
