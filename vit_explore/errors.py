"""What a person can get wrong, one class per kind. A message says what came, what is allowed and what to do."""

from __future__ import annotations


class VitExploreError(Exception):
    """Base of every error that a user, not a bug, causes; the pages and the CLI show its message as it is."""


class VitExploreWarning(UserWarning):
    """An answer that is right but says less than it seems to, such as a heatmap that is 0 everywhere."""


class UnknownName(VitExploreError, KeyError):
    """A name that no registry holds."""

    def __str__(self) -> str:  # KeyError would print the repr
        return str(self.args[0]) if self.args else ""


class BadConfig(VitExploreError, ValueError):
    """A hyper-parameter out of its bounds, or two that do not fit together.

    fields: the settings concerned by their flat names, the one to mend first.
    """

    def __init__(self, message: str, *fields: str) -> None:
        super().__init__(message)
        self.fields = fields


class BadImage(VitExploreError, ValueError):
    """Bytes that are not a picture we can show."""


class BadData(VitExploreError, ValueError):
    """A dataset that exists but cannot be used: corrupt, empty, one class."""


class DataUnavailable(VitExploreError):
    """A dataset that is neither here nor reachable."""


class ModelUnavailable(VitExploreError):
    """A model, or its weights, that is neither here nor reachable."""


class BadReference(VitExploreError, ValueError):
    """A model reference that does not parse, or points at nothing."""


class RunNotFound(BadReference):
    """A run that is not in the store (any more)."""


class SnapshotGone(BadReference):
    """A snapshot that the run does not have (any more): one in training keeps few of those it makes on the clock."""


class BadRunState(VitExploreError):
    """An action that does not fit the run's state, such as resuming a finished run."""


class NotAllowed(VitExploreError):
    """Something that a lesson leaves to others: to the teacher, or to whose run it is."""


class LessonOver(NotAllowed):
    """The lesson has ended."""


class DamagedFile(BadRunState):
    """A file or a row of a run that cannot be read: cut short, empty, or not what it should be. Other runs are well."""


class NotApplicable(VitExploreError):
    """A question that does not fit the model, such as the attention of a ResNet."""


class DeviceUnavailable(VitExploreError):
    """A device that this machine does not have."""


class DiskFull(VitExploreError):
    """No room to write a run, a checkpoint or a dataset."""


class TrainingFailed(VitExploreError):
    """Training cannot go on: the loss is not finite, or the memory is spent."""


class StoreUnusable(VitExploreError):
    """A runs.db that is corrupt, of another program, of a newer version, or that cannot be opened."""


class StoreBusy(StoreUnusable):
    """A store that another program holds, or a server that does not answer: it may pass."""
