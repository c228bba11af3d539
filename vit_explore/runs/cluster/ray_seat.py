"""Seats as Ray actors: the one place that knows Ray, which is imported when a cluster is joined."""

from __future__ import annotations

import json
import logging
import math
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vit_explore.config import DataConfig
from vit_explore.errors import BadConfig, ModelUnavailable, VitExploreError
from vit_explore.runs.cluster.seat import Seat
from vit_explore.runs.cluster.words import SeatLost, Task, Told, Word

CALL_SECONDS = 60.0  # for an answer, a checkpoint of a large model included
KNOCK_SECONDS = 5.0
READY_SECONDS = 120.0  # a process that imports torch from a slow disk
AWAY_SECONDS = 30.0  # how long a seat that cannot be reached is asked again
DATASETS = 4  # kept in the cluster's memory; the one that was used the longest ago goes


@dataclass(frozen=True)
class Shape:
    """What a seat takes of a node. cpus, gpus: as Ray counts them, fractions allowed; memory: bytes, which bound it."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int | None = None

    def fits(self, resources: dict[str, float]) -> int:
        """How many fit on a node with these resources."""
        asked = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory or 0)}
        counts = [resources.get(name, 0.0) / amount for name, amount in asked.items() if amount > 0]
        return math.floor(min(counts) + 1e-6) if counts else 1


class RayCluster:
    """A joined cluster: how many seats it has room for, new seats, data that are put into its memory once."""

    def __init__(self, address: str, shape: Shape) -> None:
        self.shape, self._ray = shape, _joined(address)
        self._actor = self._ray.remote(Seat)
        self._data: OrderedDict[str, Any] = OrderedDict()
        self._hold = threading.Lock()

    def capacity(self) -> int:
        """How many seats fit on the nodes that live."""
        return sum(self.shape.fits(node["Resources"]) for node in self._ray.nodes() if node["Alive"])

    def seat(self) -> RaySeat:
        """A new one, ready. Raises SeatLost where there is no room now, ModelUnavailable where vit_explore is not there
        or is of another release."""
        options: dict[str, Any] = {"num_cpus": self.shape.cpus, "num_gpus": self.shape.gpus, "max_concurrency": 4}
        if self.shape.memory is not None:
            options["memory"] = self.shape.memory
        made = RaySeat(self._ray, self._actor.options(**options).remote(self.shape.memory, self.shape.gpus))
        made.check()
        return made

    def put(self, data: DataConfig, progress: Callable[[str, float], None], /) -> Any:
        """A dataset in the cluster's memory, from where each node fetches it once."""
        from vit_explore.data import load_dataset

        key = json.dumps(data.model_dump(mode="json"), sort_keys=True)
        with self._hold:
            if key not in self._data or data.path is not None:  # what lies in a folder may have changed
                self._data[key] = self._ray.put(load_dataset(data, progress))
            self._data.move_to_end(key)
            while len(self._data) > DATASETS:
                self._data.popitem(last=False)
            return self._data[key]

    def leave(self) -> None:
        """Give all seats back."""
        self._ray.shutdown()


class RaySeat:
    """An actor; what Ray raises becomes SeatLost, what the actor raises stays."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor

    def check(self) -> None:
        """Raises as RayCluster.seat."""
        here = Seat().ready()
        try:
            there = self._ask("ready", seconds=READY_SECONDS)
        except ModuleNotFoundError as error:
            self.kill()
            raise ModelUnavailable(
                f"A node of the cluster cannot train ({error}); install this project and its requirements there."
            ) from error
        except SeatLost:
            self.kill()
            raise
        if there != here:
            self.kill()
            raise ModelUnavailable(f"A node of the cluster has {there}, and here are {here}; update one of them.")

    def begin(self, task: Task, dataset: Any) -> None:
        """See AnySeat."""
        self._ask("begin", task, dataset)

    def poll(self, attempt: str, word: Word) -> Told:
        """See AnySeat. Asking again is harmless: what was heard has a number."""
        answer: Told = self._ask("poll", attempt, word)
        return answer

    def end(self, attempt: str) -> None:
        """See AnySeat."""
        self._actor.end.remote(attempt)

    def kill(self) -> None:
        """See AnySeat."""
        self._ray.kill(self._actor)

    def _ask(self, name: str, *arguments: Any, seconds: float = CALL_SECONDS) -> Any:
        errors, waited = self._ray.exceptions, 0.0
        while True:
            try:
                return self._ray.get(getattr(self._actor, name).remote(*arguments), timeout=seconds)
            except errors.ActorUnavailableError as error:  # the way there may come back
                waited += 1.0
                if waited > AWAY_SECONDS:
                    raise SeatLost(_first_line(error)) from error
                threading.Event().wait(1.0)
            except errors.RayTaskError as error:
                known = isinstance(error.cause, VitExploreError | SeatLost | ModuleNotFoundError)
                raise (error.cause if known else SeatLost(_first_line(error))) from error
            except errors.RayError as error:  # died, took too long, or what it said is lost
                raise SeatLost(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _knock(address: str) -> None:
    """Raises OSError where nothing listens at host:port, at once; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        with socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS):
            return


def _joined(address: str) -> Any:
    """Ray, in the cluster. Raises ModelUnavailable without Ray, BadConfig where no cluster answers."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ModelUnavailable("Ray is not installed: pip install -r requirements-ray.txt") from error
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise BadConfig(
            f"No Ray cluster answers at {address!r} ({_first_line(error)}); start one (ray start --head), or give its "
            "--address."
        ) from error
    return ray
