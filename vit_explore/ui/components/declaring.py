"""How a component is declared: what the browser gets lies beside its Python, in files of its own name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def declared(file: str, html: str = "") -> Callable[..., Any]:
    """The mount of the component whose `__init__.py` is `file`: with <name>.js and, where it has html, <name>.css."""
    folder = Path(file).parent
    name = folder.name
    style = (folder / f"{name}.css").read_text(encoding="utf-8") if html else None
    script = (folder / f"{name}.js").read_text(encoding="utf-8")
    return st.components.v2.component(f"vit_explore_{name}", html=html or None, css=style, js=script)
