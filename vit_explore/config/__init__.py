"""Frozen, validated settings. One field here is a CLI flag, a form widget and a column of the stored run.

A setting is written once: label, help, bounds, and whether two runs must share it stand with the field.
"""

from vit_explore.config.data import DataConfig
from vit_explore.config.fields import Config, Hints, Setting, setting
from vit_explore.config.model import ModelConfig
from vit_explore.config.run import RunConfig, flat_fields, settings
from vit_explore.config.train import TrainConfig

__all__ = [
    "Config", "DataConfig", "Hints", "ModelConfig", "RunConfig", "Setting", "TrainConfig", "flat_fields", "setting",
    "settings",
]  # fmt: skip
