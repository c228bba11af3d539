"""The command `cluster`: queued runs are trained on the nodes of a Ray cluster."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from vit_explore.errors import BadConfig
from vit_explore.printing import say

if TYPE_CHECKING:
    from vit_explore.runs.cluster.ray_seat import Shape


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """The arguments of `cluster`."""
    parser.add_argument("--address", default="auto", help="of the Ray cluster (default: auto, the one of this machine)")
    parser.add_argument("--cpus", type=float, default=1.0, metavar="X", help="CPU cores of a run (default: 1)")
    parser.add_argument(
        "--gpus", type=float, default=0.0, metavar="X", help="GPUs of a run; 0.25: a quarter, of the memory, too"
    )
    parser.add_argument("--memory", type=float, metavar="GB", help="memory of a run, bounded (default: any)")
    parser.add_argument("--runs", type=int, metavar="N", help="runs at a time (default: as many as fit)")


def cluster(arguments: argparse.Namespace) -> int:
    """cluster"""
    shape = _shape(arguments)
    from vit_explore.runs.cluster.head import run_cluster
    from vit_explore.runs.cluster.ray_seat import RayCluster

    joined = RayCluster(arguments.address, shape)
    say(f"Joined the cluster: room for {joined.capacity()} runs at a time. Ctrl-C ends it; they wait then.")
    return run_cluster(joined, say, arguments.runs)


def _shape(arguments: argparse.Namespace) -> Shape:
    from vit_explore.runs.cluster.ray_seat import Shape

    for name in ("cpus", "gpus", "memory", "runs"):
        value = getattr(arguments, name)
        is_number = value is None or math.isfinite(value)
        if not is_number or (value is not None and (value < 0 or (name in ("memory", "runs") and value == 0))):
            raise BadConfig(f"--{name} {value:g} is not possible: it is a number above 0.")
    if arguments.cpus + arguments.gpus == 0:
        raise BadConfig("A run needs --cpus or --gpus; both are 0.")
    memory = None if arguments.memory is None else int(arguments.memory * 1e9)
    return Shape(arguments.cpus, arguments.gpus, memory)
