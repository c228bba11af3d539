"""The end of each page: what you see, how it is computed (formula, code), what to look for and what to beware of."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from vit_explore.discovery import parsed
from vit_explore.explain.catalogue import EXPLANATIONS
from vit_explore.ui.kit import saving


@dataclass(frozen=True)
class Note:
    """The panel's texts. formula: LaTeX; functions: their code is shown; source: the paper, in words.

    code: (module, name) of code to show without importing it, where that would import torch before the first paint.
    cost: in words; example: how to ask the same from Python.
    """

    title: str
    what_you_see: str
    formula: str
    what_to_look_for: str
    what_to_beware: str
    functions: tuple[Callable[..., Any], ...] = ()
    source: str = ""
    code: tuple[str, str] | None = None
    cost: str = ""
    example: str = ""


def of_explanation(name: str) -> Note:
    """The note of a card of EXPLANATIONS, with its function's code."""
    card = EXPLANATIONS.get(name)
    texts = (card.what_you_see, card.formula, card.what_to_look_for, card.what_to_beware)
    code = f"vit_explore.explain.{card.module}", card.name
    example = f"{card.setting}\n\n{card.example}\n{card.figure}"
    return Note(card.title, *texts, source=card.source, code=code, cost=card.cost, example=example)


def panel(*notes: Note) -> None:
    """Draw the notes; the last thing on a page. Several notes become tabs; without any there is nothing."""
    if not notes:
        return
    saving.offer()
    st.divider()
    st.subheader("Behind this page", anchor="behind-this-page")
    if len(notes) == 1:
        _draw(notes[0])
        return
    for tab, note in zip(st.tabs([note.title for note in notes]), notes, strict=True):
        with tab:
            _draw(note)


def _draw(note: Note) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        _text(":material/visibility: What you see", note.what_you_see)
        _text(":material/search: What to look for", note.what_to_look_for)
        _text(":material/warning: What to beware of", note.what_to_beware)
    with right:
        st.markdown("##### :material/function: How it is computed")
        st.latex(_stacked(note.formula))
        if note.source:
            st.caption(note.source)
        if note.cost:
            st.caption(f"Cost: {note.cost}.")
        listings = [(function.__name__, inspect.getsource(function)) for function in note.functions]
        if note.code:
            listings.append((note.code[1], _source_of(*note.code)))
        for name, source in listings:
            with st.expander(f"The code itself: `{name}`"):
                st.code(source, language="python")
        if note.example:
            with st.expander("The same from Python"):
                st.code(note.example, language="python")


@lru_cache(maxsize=256)
def _source_of(module: str, name: str) -> str:
    """The source of a class or function at a module's top level, read from its file, once."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    text = Path(spec.origin).read_text(encoding="utf-8")
    node = next(node for node in parsed(text, spec.origin).body if getattr(node, "name", None) == name)
    return ast.get_source_segment(text, node) or ""


def _text(title: str, text: str) -> None:
    st.markdown(f"##### {title}")
    st.markdown(text)


def _stacked(formula: str) -> str:
    """Parts that stand side by side (\\qquad) below each other, so that they fit a column and a phone."""
    parts = [part.strip().rstrip(",").strip() for part in formula.split(r"\qquad")]
    return r"\begin{gathered}" + r" \\[0.4em] ".join(parts) + r"\end{gathered}" if len(parts) > 1 else formula
