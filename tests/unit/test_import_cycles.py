"""No module of the package waits for itself: imports form no circle, within runs/ not even inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "vit_explore"


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def statements(node: ast.AST, inner: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that happen when a module is imported; `inner`: those within its functions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not for_types_only(child) and (inner or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from statements(child, inner)


def imports_of(source: str, inner: bool) -> set[str]:
    """The modules of the package that a module's source imports, without the packages above them."""
    names = set()
    for node in statements(ast.parse(source), inner):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module is not None:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inside & MODULES.keys() or {node.module}
    return names & MODULES.keys()


def graph(deep: str = "vit_explore.runs") -> dict[str, set[str]]:
    return {
        name: imports_of(path.read_text(encoding="utf-8"), inner=name.startswith(deep)) - {name}
        for name, path in MODULES.items()
    }


def test_imports_form_no_circle() -> None:
    order = list(TopologicalSorter(graph()).static_order())
    assert set(order) == MODULES.keys()
    assert order.index("vit_explore.runs.loaded") < order.index("vit_explore.runs.timm_reference")


def test_a_circle_through_a_function_would_be_found() -> None:
    circle = graph()
    source = "def load():\n    from vit_explore.runs.references import load_model\n"
    circle["vit_explore.runs.loaded"] |= imports_of(source, inner=True)
    assert imports_of(source, inner=False) == set()
    with pytest.raises(CycleError):
        list(TopologicalSorter(circle).static_order())
