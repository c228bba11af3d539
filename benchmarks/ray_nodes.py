"""A Ray cluster on this machine, for the benchmarks that need one: pip install -r requirements-ray.txt."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import common
import psutil

STORE_BYTES = 120 * 2**20  # of a node's memory for data


class Nodes:
    """So many nodes of one core, and the head that serves a home."""

    def __init__(self, home: Path, count: int = 2) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray.cluster_utils import Cluster

        self.home, self.count = home, count
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES})
        self.nodes: list[Any] = []
        self.head: subprocess.Popen[bytes] | None = None
        self.ensure()

    def ensure(self) -> None:
        """All nodes and the head."""
        while len(self.nodes) < self.count:
            self.nodes.append(self.cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES))
        if self.head is None or self.head.poll() is not None:
            command = [sys.executable, "-m", "vit_explore", "cluster", "--address", self.cluster.address]
            environment = {**os.environ, "VIT_EXPLORE_HOME": str(self.home), "PYTHONPATH": str(common.PROJECT)}
            log = (self.home / "cluster.log").open("ab")
            self.head = subprocess.Popen(command, cwd=common.PROJECT, env=environment, stdout=log, stderr=log)

    def kill(self, name: str, rng: random.Random) -> None:
        """A seat, a node or the head."""
        if name == "seat":
            seats = [
                one for one in psutil.process_iter(["cmdline"]) if "ray::Seat" in " ".join(one.info["cmdline"] or [])
            ]
            if seats:
                rng.choice(seats).kill()
        elif name == "node":
            node = self.nodes.pop(rng.randrange(len(self.nodes)))
            self.cluster.remove_node(node, allow_graceful=False)
        elif self.head is not None:
            self.head.kill()
            self.head.wait()

    def close(self) -> None:
        """End the head, then the nodes."""
        if self.head is not None:
            self.head.send_signal(signal.SIGTERM)
            self.head.wait(60)
        self.cluster.shutdown()
