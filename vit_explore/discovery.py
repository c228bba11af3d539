"""What the files of a package declare at their top level, read and not imported: importing might take torch along.

A file offers the names in its `__all__`; a package that calls `attribute` hands them out, imported at first use.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

# From `name = ` to the next line that starts something new: parsing whole files would take ten times as long.
_parsing = threading.Lock()
_STATEMENT = r"^{} = (.*?)(?=^[^\s\]){{}}#]|\Z)"


def declared(paths: tuple[str, ...], variable: str) -> Iterator[tuple[str, ast.expr]]:
    """(file's name, expression) of each file in the folders of a package that gives `variable` a value."""
    for module in pkgutil.iter_modules(paths):
        folder = Path(getattr(module.module_finder, "path", ""))
        file = folder / module.name / "__init__.py" if module.ispkg else folder / f"{module.name}.py"
        found = re.search(_STATEMENT.format(variable), file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        if found:
            yield module.name, parsed(found[1].strip(), str(file), mode="eval").body


def parsed(text: str, file: str, mode: str = "exec") -> Any:
    """ast.parse, one thread at a time: in CPython 3.11 two at once may end in a SystemError, "recursion depth
    mismatch" (gh-106905), which a class of thirty met."""
    with _parsing:
        return ast.parse(text, file, mode=mode)


def attribute(package: str, name: str) -> Any:
    """What a file of the package offers under this name, for the package's `__getattr__`; `__all__` lists the names."""
    homes = _homes(package, tuple(importlib.import_module(package).__path__))
    if name == "__all__":
        return sorted(homes)
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)


@lru_cache(maxsize=8)
def _homes(package: str, paths: tuple[str, ...]) -> dict[str, str]:
    """Offered name -> the file that offers it."""
    homes: dict[str, str] = {}
    files = {module.name for module in pkgutil.iter_modules(paths)}
    for file, names in declared(paths, "__all__"):
        for name in ast.literal_eval(names):
            if name in homes or name in files:  # importing a file puts it into the package under its own name
                taken = f"the file {name}.py" if name in files else f"{homes[name]}.py"
                raise ImportError(f"{package}: {file}.py offers {name!r}, a name that {taken} has already; rename one.")
            homes[name] = file
    return homes
