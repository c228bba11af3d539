"""Sweeps: one question, asked of a grid of runs. A grid is one file in `grids/`, found, not listed; without torch.

sweep = vx.sweeps.sweeps.get("data"); tasks = sweep.runs(seeds=(0, 1, 2))
"""

from vit_explore.sweeps.definition import Axis as Axis
from vit_explore.sweeps.definition import Cell as Cell
from vit_explore.sweeps.definition import Sweep as Sweep
from vit_explore.sweeps.definition import sweeps as sweeps
