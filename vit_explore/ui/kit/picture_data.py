"""The data whose images the pages show without a download: of the chosen model, and the datasets on this machine.

A source is a word: `run:3f2a`, `bundled:vit-cifar10` (the validation images of that model) or `dataset:cifar10`.
"""

from __future__ import annotations

from pathlib import Path

from vit_explore.config import DataConfig
from vit_explore.data import dataset_status, datasets
from vit_explore.errors import BadData, VitExploreError
from vit_explore.runs.references import bundled_facts
from vit_explore.ui.session import caches
from vit_explore.ui.session.choice import chosen_model

OF_THIS_MODEL = " (of this model)"
WITH_DATA = ("run:", "bundled:")  # models whose data are known
_DRAWN_PER_CLASS = 40


def own_source() -> str | None:
    """The data of the chosen model, where they are known and on this machine."""
    choice = chosen_model()
    is_ours = choice is not None and choice.base.startswith(WITH_DATA)
    return choice.base if choice is not None and is_ours and _is_here(choice.base) else None


def own_data() -> DataConfig | None:
    """The data that the chosen model was trained on, where they are known and on this machine."""
    own = own_source()
    return config_of(own) if own else None


def sources() -> list[str]:
    """What can be shown without a download: the data of the chosen model first, then the datasets on this machine."""
    own = own_source()
    here = [name for name in datasets.names() if name != "folder" and dataset_status(name).available]
    return [*([own] if own else []), *(f"dataset:{name}" for name in here)]


def _is_here(source: str) -> bool:
    try:
        config_of(source)
    except VitExploreError:
        return False
    return True


def config_of(source: str) -> DataConfig:
    """The data of `run:3f2a`, `bundled:vit-cifar10` or `dataset:cifar10`.

    Raises BadReference (RunNotFound), BadConfig, UnknownName, BadData.
    """
    kind, _, name = source.partition(":")
    if kind == "bundled":
        return _bundled_config(name)
    if kind == "run":
        config = caches.store().get(name).settings().data
        _check_here(config.dataset)
        if config.path is not None and not Path(config.path).expanduser().exists():
            raise BadData(f"The pictures that the run {name} was trained on are gone: there is no {config.path}.")
        return config
    if name == "folder":
        raise BadData("The pictures of a folder have no address of their own.")
    _check_here(name)
    # a drawn dataset is drawn anew: a few images suffice to look at
    return DataConfig(dataset=name, per_class=_DRAWN_PER_CLASS if name == "shapes" else None)


def _bundled_config(name: str) -> DataConfig:
    data = bundled_facts(name).get("data")
    if data is None:
        raise BadData(f"The card of the bundled model {name} does not say what it was trained on.")
    config = DataConfig(**data)
    _check_here(config.dataset)
    # a drawn dataset is drawn anew: a few images suffice to look at
    return config.replace(per_class=_DRAWN_PER_CLASS) if config.dataset == "shapes" else config


def _check_here(name: str) -> None:
    if not dataset_status(name).available:
        raise BadData(f"The data {name} are not on this machine; the page Home says how to get them.")


def title_of(source: str) -> str:
    """What a source is called on a page."""
    kind, _, name = source.partition(":")
    if kind == "dataset":
        return name
    choice = chosen_model()
    is_this = choice is not None and choice.base == source
    return config_of(source).dataset + (OF_THIS_MODEL if is_this else f" (of {source.replace(':', ' ')})")


def dataset_configs() -> dict[str, DataConfig]:
    """The data that can be shown without a download, by title."""
    return {title_of(source): config_of(source) for source in sources()}
