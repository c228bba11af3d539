"""The baselines of a model on a dataset, as a generator with progress: features once, then each classifier."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import numpy as np
import torch

from vit_explore.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from vit_explore.data import Dataset, Split, load_dataset
from vit_explore.errors import BadReference
from vit_explore.models import create_model, summarise
from vit_explore.runs.initial import read_initial, resolved
from vit_explore.runs.store import RunStore
from vit_explore.training.devices import pick_device
from vit_explore.training.frozen import featured
from vit_explore.training.metrics import confusion_matrix
from vit_explore.training.setup import fit_to_data
from vit_explore.training.transfer import Initial, freeze
from vit_explore.tuning import baselines
from vit_explore.tuning.baselines import Features
from vit_explore.tuning.results import Baseline, Probed

Said = tuple[str, float]  # what is being done, and the share of it
FEATURES = 0.8  # of the progress goes to the features


def probe(
    ref: str,
    data: DataConfig,
    device: str = "auto",
    store: RunStore | None = None,
    model: ModelConfig | None = None,
    note: Callable[[str, float], None] | None = None,
) -> Generator[Said, None, Probed]:
    """The baselines of the model `ref` on `data`; yields what it does, with its share, and returns them.

    note: told of what the reading of the images does. model: settings that the weights leave open, such as the
    architecture of a bare file. Raises what load_dataset and reading the weights raise.
    """
    store = store or RunStore()
    model = (model or ModelConfig()).replace(init_from=ref)
    config = resolved(RunConfig(data=data, model=model, train=TrainConfig(epochs=1, device=device, tune="head")), store)
    yield "Reading the images", 0.0
    initial = read_initial(config, store)
    if initial is None:
        raise BadReference("A probe needs a model to start from.")
    dataset = initial.normalised(load_dataset(config.data, note))
    begun = time.perf_counter()
    features = yield from _features(config, initial, dataset)
    seconds = time.perf_counter() - begun
    rows = []
    for number, (title, measure) in enumerate(MEASURES.items()):
        yield title, FEATURES + (1 - FEATURES) * number / len(MEASURES)
        rows.append(measure(*features, len(dataset.classes)))
    train, val, test = (len(part.y) for part in features)
    width, size = features[0].x.shape[1], config.model.image_size
    return Probed(initial.ref, dataset.classes, width, size, train, val, test, seconds, tuple(rows), dataset.left_out)


def _features(
    config: RunConfig, initial: Initial, dataset: Dataset
) -> Generator[Said, None, tuple[Features, Features, Features]]:
    """Those of the three splits."""
    model_config = fit_to_data(config, dataset)
    summarise(model_config)  # refuses a model that does not take images of this size
    with torch.random.fork_rng(devices=[]):
        model = create_model(model_config)
    initial.put_into(model)
    freeze(model)
    model.to(pick_device(config.train.device)).to(memory_format=torch.channels_last)
    steps = featured(model, model_config, dataset)
    while True:
        try:
            said, share = next(steps)
        except StopIteration as end:
            splits: Dataset = end.value
            break
        yield said, FEATURES * share
    train, val, test = (_of(part) for part in (splits.train, splits.val, splits.test))
    return train, val, test


def _of(split: Split) -> Features:
    features = np.ascontiguousarray(split.images.reshape(len(split.labels), -1))
    return Features(torch.from_numpy(features), torch.from_numpy(np.ascontiguousarray(split.labels)))


# ---------------------------------------------------------------------- the rows


def _untrained(train: Features, val: Features, test: Features, classes: int) -> Baseline:
    begun = time.perf_counter()
    confusion = baselines.untrained_heads(test, classes)
    return Baseline(
        "untrained", "Untrained head",
        f"The mean of {baselines.HEADS} random heads: chance. The report calls it zero-shot; CLIP's zero-shot compares "
        "pictures with the words for the classes, and a random head knows no words.",
        confusion, time.perf_counter() - begun,
    )  # fmt: skip


def _nearest_mean(train: Features, val: Features, test: Features, classes: int) -> Baseline:
    begun = time.perf_counter()
    said = baselines.nearest_mean(train, test.x, classes)
    return Baseline(
        "mean", "Nearest class mean", "The class whose mean feature points most alike.",
        confusion_matrix(test.y.numpy(), said, classes), time.perf_counter() - begun,
    )  # fmt: skip


def _neighbours(train: Features, val: Features, test: Features, classes: int) -> Baseline:
    begun = time.perf_counter()
    counts = sorted({min(k, len(train.y)) for k in baselines.NEIGHBOURS})
    place, _ = baselines.best(baselines.nearest_neighbours(train, val.x, classes, counts), val.y)
    (said,) = baselines.nearest_neighbours(train, test.x, classes, counts[place : place + 1])
    return Baseline(
        "neighbours", "k nearest neighbours", "What most of the training images with the likest features are.",
        confusion_matrix(test.y.numpy(), said, classes), time.perf_counter() - begun, f"k = {counts[place]}",
    )  # fmt: skip


def _regression(train: Features, val: Features, test: Features, classes: int) -> Baseline:
    begun = time.perf_counter()
    found = list(baselines.logistic_regression(train, classes, baselines.PENALTIES))
    place, _ = baselines.best((head(val.x).argmax(1).numpy() for head in found), val.y)
    said = found[place](test.x).argmax(1).numpy()
    return Baseline(
        "linear", "Linear probe", "The best linear head on these features, by L-BFGS: what training the head alone can "
        "reach.",
        confusion_matrix(test.y.numpy(), said, classes), time.perf_counter() - begun,
        f"penalty {baselines.PENALTIES[place]:g}",
    )  # fmt: skip


Measure = Callable[[Features, Features, Features, int], Baseline]
MEASURES: dict[str, Measure] = {
    "Untrained heads": _untrained,
    "Class means": _nearest_mean,
    "Nearest neighbours": _neighbours,
    "The best linear head": _regression,
}
