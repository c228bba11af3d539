"""What a sweep is: a question, and the cells of a grid, each the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from vit_explore.config import RunConfig
from vit_explore.registry import Registry

# What accuracy is drawn against; column: the labels as they stand in the grid.
Axis = Literal["column", "train_images", "images_seen", "flops", "params", "seconds"]
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Cell:
    """A place of the grid: its labels, and the run there but for the seed. detail: what it has, in a few words.

    Two cells may have the same run, such as the base that every row of a grid shares; it is trained once.
    """

    row: str
    column: str
    config: RunConfig
    detail: str = ""

    @property
    def title(self) -> str:
        """Such as "ViT · 500"."""
        return " · ".join(filter(None, (self.row, self.column)))


@dataclass(frozen=True)
class Sweep:
    """A grid of runs and what it asks. name: as on the command line; rows, columns: what the two axes are.

    source: what of the paper it repeats; scaled: what was made smaller; look_for: what to see in it; axis: what its
    accuracy is drawn against at first; place: of the page's list, the lowest first; None keeps it off that page.
    """

    name: str
    title: str
    question: str
    rows: str
    columns: str
    cells: tuple[Cell, ...]
    source: str
    scaled: str
    look_for: str
    axis: Axis = "flops"
    place: int | None = 9

    @property
    def row_names(self) -> list[str]:
        return list(dict.fromkeys(cell.row for cell in self.cells))

    @property
    def column_names(self) -> list[str]:
        return list(dict.fromkeys(cell.column for cell in self.cells))

    def cell(self, row: str, column: str) -> Cell | None:
        """The cell there; None where the grid has none."""
        return next((cell for cell in self.cells if (cell.row, cell.column) == (row, column)), None)

    def runs(self, seeds: Sequence[int] = SEEDS) -> list[RunConfig]:
        """The runs to train, each once: the whole grid with the first seed, then with the next."""
        known: dict[str, RunConfig] = {}
        for seed in seeds:
            for cell in self.cells:
                known.setdefault(key_of(cell.config, seed), self.named(cell, seed))
        return list(known.values())

    def named(self, cell: Cell, seed: int) -> RunConfig:
        """The run of a cell with a seed, under a name that says so."""
        return cell.config.update(seed=seed, name=f"{cell.title} · seed {seed} · {self.title}"[:120])


def key_of(config: RunConfig, seed: int | None = None) -> str:
    """What makes a run the one of a cell: all of its settings but its name. seed: another one than its own."""
    if seed is not None:
        config = config.update(seed=seed)
    return config.model_dump_json(exclude={"name"})


def on_page(found: Iterable[tuple[str, Sweep]]) -> list[Sweep]:
    """The sweeps of the page, in its order."""
    return sorted((one for _, one in found if one.place is not None), key=lambda one: (one.place, one.name))


sweeps: Registry[Sweep] = Registry("sweep", package="vit_explore.sweeps.grids")


def add(sweep: Sweep) -> Sweep:
    """Register a sweep under its name."""
    return sweeps.register(sweep.name)(sweep)
