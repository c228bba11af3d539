"""The estimate of a run that is to be started here: with what earlier runs showed, and without disturbing one."""

from __future__ import annotations

from vit_explore.config import RunConfig
from vit_explore.data.sizes import count_classes, own_images, status_of, test_images, training_images
from vit_explore.runs.records import RunRecord
from vit_explore.runs.store import RunStore
from vit_explore.training.advice import Preflight

UNKNOWN = 10_000  # training images, where only the data can tell
LOOKED_AT = 50  # of the latest runs
_PACE = (
    "batch_size", "device", "precision", "compiled", "threads", "low_res_fraction", "optimizer", "rand_augment", "tune",
)  # fmt: skip


def foresee(config: RunConfig, store: RunStore, may_probe: bool = True) -> Preflight:
    """What the run will ask of this machine. may_probe: try the model where no run like it was trained here.

    Nothing is tried while another run trains. Raises as preflight.estimate and images_of.
    """
    from vit_explore.training.preflight import estimate

    classes, trained, tested = images_of(config)
    sized = config.model_copy(update={"model": config.model.replace(num_classes=classes) if classes else config.model})
    may_probe = may_probe and not store.states().get("running")
    return estimate(sized, trained, tested, may_probe, known_rate(config, store))


def images_of(config: RunConfig) -> tuple[int, int, int]:
    """(classes, training images, test images), about; classes is 0 where only the data can tell.

    Raises BadData, BadConfig for a person's own pictures that cannot be counted.
    """
    if config.data.dataset == "folder":
        return own_images(config.data)
    status = status_of(config.data.dataset)
    trained, tested = training_images(config, status) or UNKNOWN, test_images(config, status) or UNKNOWN // 5
    return count_classes(config, status), trained, tested


def known_rate(config: RunConfig, store: RunStore) -> float | None:
    """Images/s of training of the latest run with the same model and pace settings; None where there was none."""
    for record in store.list(states=["finished"], limit=LOOKED_AT):
        if record.images_per_second and _is_alike(record, config):
            return record.images_per_second
    return None


def _is_alike(record: RunRecord, config: RunConfig) -> bool:
    other = record.config
    if other is None or other.data.image_size != config.data.image_size:
        return False
    if any(getattr(other.train, name) != getattr(config.train, name) for name in _PACE):
        return False
    outputs = {"num_classes": 2, "init_from": None}  # how many there are, and where it starts, costs next to nothing
    return other.model.replace(**outputs) == config.model.replace(**outputs)
