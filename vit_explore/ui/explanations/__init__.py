"""The tabs of the Attention page, one file each: what binds its `TAB` here is on the page, and nothing is listed."""

from __future__ import annotations

import importlib
import pkgutil

from vit_explore.ui.kit.tab import Tab


def tabs() -> list[Tab]:
    """Every tab, in its order."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return sorted((module.TAB for module in modules), key=lambda tab: (tab.order, tab.title))
