"""Datasets: `load_dataset(DataConfig)` gives uint8 arrays, split, with the mean and spread of the training pixels.

One file per dataset in `sources/`, discovered. Importing this package imports no torch, no pyarrow and no scikit-learn.
"""

from __future__ import annotations

from vit_explore.data.base import Dataset, DatasetStatus, Pool, Progress, Source, Split, datasets
from vit_explore.data.cache import data_home
from vit_explore.data.loading import dataset_status, load_dataset, prepare

__all__ = [
    "Dataset",
    "DatasetStatus",
    "Pool",
    "Progress",
    "Source",
    "Split",
    "data_home",
    "dataset_status",
    "datasets",
    "load_dataset",
    "prepare",
]
