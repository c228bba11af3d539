"""A run's folder: snapshots, the checkpoint, sample images. Every file is written whole or not at all."""

from __future__ import annotations

import errno
import io
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from vit_explore.errors import BadRunState, DiskFull
from vit_explore.runs import reading

if TYPE_CHECKING:
    from torch import Tensor

    from vit_explore.training.events import Started

MAX_SNAPSHOTS = 64
MAX_ON_CLOCK = 4  # snapshots beside the schedule, while a run goes on
MAX_SNAPSHOT_BYTES = 512 * 2**20  # of one run; large models keep fewer snapshots
_COUNT = itertools.count()
UNPACKING = ".import-"  # how the folder begins that an imported run's files lie in while they are unpacked


class RunFolder:
    """runs/<id>/ under the home."""

    def __init__(self, home: Path, run: str) -> None:
        self.path = home / "runs" / run

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    def snapshot(self, step: int) -> Path:
        return self.path / "snapshots" / f"{step}.safetensors"

    def create(self) -> None:
        with disk_errors(self.path), _in_the_way(self.path):
            (self.path / "snapshots").mkdir(parents=True, exist_ok=True)

    def delete(self) -> None:
        # the run's row is gone and its id is never used again, so a file that cannot be removed hurts nobody
        shutil.rmtree(self.path, ignore_errors=True)

    def size(self) -> int:
        """Bytes of all files; one that vanishes meanwhile, or is not ours to see, counts nothing."""
        total = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                try:
                    total += os.stat(os.path.join(folder, name)).st_size
                except OSError:
                    continue
        return total

    def write_snapshot(self, step: int, weights: dict[str, Tensor]) -> int:
        """Write weights as safetensors; gives the file's bytes."""
        from safetensors.torch import save

        data = save({name: tensor.contiguous() for name, tensor in weights.items()})
        write_atomically(self.snapshot(step), lambda file: file.write(data))
        return len(data)

    def keep_only(self, steps: set[int]) -> None:
        """Remove the snapshots of all other steps, and what a killed process left half written."""
        for path in (self.path / "snapshots").glob("*.safetensors"):
            if path.stem not in map(str, steps):
                _remove(path)
        self.remove_half_written()

    def remove_half_written(self) -> None:
        for path in self.path.rglob(".*.tmp"):
            _remove(path)

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        import torch

        write_atomically(self.checkpoint, lambda file: torch.save(state, file))

    def remove_checkpoint(self) -> None:
        _remove(self.checkpoint)

    def read_checkpoint(self) -> dict[str, Any]:
        """The trainer's state, on the CPU. Raises DamagedFile, also where the file is missing."""
        with reading.guarded(f"The checkpoint {self.checkpoint}", "duplicate the run to start it again"):
            return reading.state(self.checkpoint)

    def write_samples(self, started: Started) -> None:
        """Keep the sample images of Started as samples.npz."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, images=started.sample_images, labels=started.sample_labels)
        write_atomically(self.path / "samples.npz", lambda file: file.write(buffer.getvalue()))

    def read_samples(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (n, 3, h, w) uint8 and labels (n,) int64. Raises DamagedFile."""
        with reading.guarded(f"The sample images of this run in {self.path}", "delete the run, or put its folder back"):
            return reading.samples(self.path / "samples.npz")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """No room, no more quota and a read-only disk become DiskFull, one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES):
            raise
        raise DiskFull(
            f"{path} cannot be written ({error.strerror}); free some space on that disk, or delete old runs."
        ) from error


@contextmanager
def _in_the_way(path: Path) -> Iterator[None]:
    """A folder where a file should be, or a file where a folder should be, is one sentence."""
    try:
        yield
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise BadRunState(
            f"{error.filename2 or error.filename or path} is in the way ({error.strerror}); move it away and try again."
        ) from error


def _remove(path: Path) -> None:
    """No harm in a file that stays, where the disk refuses: no row speaks of it, and the next tidying tries again."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write beside `path` and move into place, so that a reader, or a kill, never sees half a file."""
    # no longer than names may be, and no other's: the threads of a server may write the same file at the same time
    temporary = path.with_name(f".{path.name[-40:]}.{os.getpid()}-{next(_COUNT)}.tmp")
    with disk_errors(path), _in_the_way(path):
        try:
            with open(temporary, "wb") as file:
                write(file)
            os.replace(temporary, path)
        except FileNotFoundError:
            raise BadRunState(f"The folder {path.parent} is gone; duplicate the run to start it again.") from None
        finally:
            temporary.unlink(missing_ok=True)


def clock_snapshots_to_drop(steps: list[int], on_clock: set[int], has_ended: bool) -> list[int]:
    """Which of the (sorted) steps to give up of those that were made for whoever watched: all but the newest few while
    the run goes on, and all at its end; the last snapshot of a run stays."""
    passing = [step for step in steps if step in on_clock]
    if has_ended:
        return [step for step in passing if step != steps[-1]]
    return passing[:-MAX_ON_CLOCK]


def snapshots_to_drop(steps: list[int], bytes_each: int) -> list[int]:
    """Which of the (sorted) steps to give up so that a run's snapshots stay within bounds.

    Step 0, the powers of two and the last stay as long as they can; of the others, the most crowded goes.
    """
    limit = max(2, min(MAX_SNAPSHOTS, MAX_SNAPSHOT_BYTES // max(bytes_each, 1)))
    kept, dropped = list(steps), []
    while len(kept) > limit:
        inner = range(1, len(kept) - 1)
        candidates = [i for i in inner if kept[i] & (kept[i] - 1)] or list(inner)
        closest = min(candidates, key=lambda i: kept[i + 1] - kept[i - 1])
        dropped.append(kept.pop(closest))
    return dropped
