"""What is trained, how far it is, and what holds for its next step: what a checkpoint keeps, and goes on from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from vit_explore.config import RunConfig
from vit_explore.data import Dataset, load_dataset
from vit_explore.data.fitting import Fitting
from vit_explore.models import create_model, summarise
from vit_explore.training.average import Average
from vit_explore.training.batches import Batches
from vit_explore.training.controls import Controls
from vit_explore.training.devices import Numerics, pick_device
from vit_explore.training.held import Held
from vit_explore.training.looks import Looks
from vit_explore.training.optimizers import GROUPING, make_optimizers
from vit_explore.training.parallel import Replicas
from vit_explore.training.patience import Patience
from vit_explore.training.replay import Pin, Replay
from vit_explore.training.restore import checked_average, checked_patience, restore
from vit_explore.training.schedule import Budget
from vit_explore.training.setup import fit_to_data, seeded
from vit_explore.training.transfer import Initial, check_initial, freeze, head_alone


class TrainState:
    """A run between two steps: its data, model, optimiser, budget, and what a person has set."""

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset | None,
        state: dict[str, Any] | None,
        progress: Callable[[str, float], None] | None,
        replay: Replay | None,
        initial: Initial | None,
    ) -> None:
        check_initial(config, initial)
        self.config, self.train, self.replay, self.initial = config, config.train, replay, initial
        self.device = pick_device(self.train.device)
        self.dataset = dataset or load_dataset(config.data, progress)
        if initial is not None:
            self.dataset = initial.normalised(self.dataset)
        self.model_config = fit_to_data(config, self.dataset)
        fitting = Fitting(self.model_config.image_size, self.model_config.crop)
        self.batches = Batches(self.dataset, self.train, self.device, fitting)
        self.looks = Looks(self.dataset, self.train, self.batches.mean, self.batches.std, fitting)
        self.val_top1 = math.nan  # the latest
        self.sample_probs = np.zeros((0, len(self.dataset.classes)), np.float32)
        self.step, self.rate = 0, 0.0
        self.share: float | None = None  # of the budget, at which the present step is taken
        self._pin = replay.pin if replay else None
        self.mixed = False
        self.lr = 0.0  # that of the last step
        self.numerics = Numerics("fp32", fused=True)  # until the probe has found the fastest
        self.replicas = Replicas(nn.Identity(), 1)
        self.grouping = _grouping(state, replay)
        self._build(goes_on=state is not None)
        self.budget = Budget(None, self.train.seconds)
        self.origin = (0, 0.0)  # step and epoch at which its own settings begin: those of a fork later
        self.is_fork = False
        if state is not None:
            self._go_on(state)
        self._accompany(state if not self.is_fork else None)
        if self.train.epochs is not None:
            left = round((self.train.epochs - self.origin[1]) * self.batches.per_epoch)
            self.budget.total_steps = self.origin[0] + max(1, left)
            if round(self.origin[1] * self.batches.per_epoch) != self.origin[0]:  # a fork with batches of another size
                self.budget.begun = (self.origin[0], self.origin[1] / self.train.epochs)

    def _build(self, goes_on: bool) -> None:
        """goes_on: from a state, which holds all weights, so that none that are published need be within reach."""
        self.summary = summarise(self.model_config)  # refuses a model that does not take images of this size
        fresh = self.model_config.replace(pretrained=False) if goes_on else self.model_config
        with seeded(self.train.seed):
            self.model = create_model(fresh)
        if self.initial is not None:
            self.initial.put_into(self.model)
        self.model.to(self.device).to(memory_format=torch.channels_last).train()
        if self.train.tune == "head":
            freeze(self.model)
        self.net = self.model  # what a step goes through: of a linear probe the head alone, see frozen.py
        card = self.model_config.card
        self._is_random = card.is_random(self.model_config)
        self.optimizer = make_optimizers(self.model, card, self.train, self.grouping)
        self.hold(Held.by(Controls(), self.train))

    def _go_on(self, state: dict[str, Any]) -> None:
        """From a checkpoint, or from the snapshot that a fork starts from."""
        self.step, self.budget.used = restore(state, self.model, self.optimizer)
        self.is_fork = state["optimizer"] is None
        self.origin = tuple(state.get("origin") or self.origin)
        self.share = state.get("share")
        has_trained = self.step > self.origin[0]  # before, a stop may have cut the probes short
        self._pin = Pin.stored(state.get("settled"), self.device.type) if has_trained else None
        self.mixed = state.get("mixed", False) or (has_trained and self._pin is None)
        self.hold(Held.stored(state.get("held"), self.train))

    def _accompany(self, state: dict[str, Any] | None) -> None:
        """The averaged weights and the best ones: of a checkpoint, or begun anew, as in a fork."""
        self.average = Average(self.model, self.train.ema) if self.train.ema else None
        if self.average is not None and state is not None:
            self.average.load_state_dict(checked_average(state.get("average"), self.model))
        self.patience = Patience(self.train.patience)
        if self.train.patience is not None and state is not None:
            self.patience.load_state_dict(checked_patience(state.get("patience"), self.model))

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser, step and seconds used: tensors, numbers and strings only."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed": self.budget.elapsed,
            "origin": self.origin,
            "share": self.share,
            "held": vars(self.held),
            "settled": {**vars(self.settled()), "device": self.device.type},
            "mixed": self.mixed,
            "grouping": self.grouping,
            **({"average": self.average.state_dict()} if self.average else {}),
            **({"patience": self.patience.state_dict()} if self.patience.most else {}),
        }

    def settled(self) -> Pin:
        return Pin(self.numerics.precision, self.numerics.fused, len(self.replicas.models), self.replicas.threads)

    def hold(self, held: Held) -> None:
        self.held = held
        self.optimizer.set_weight_decay(held.weight_decay)
        self.batches.augment = held.augment

    @property
    def shown(self) -> nn.Module:
        """The model that is looked at and kept: of averaged weights, where there are any."""
        return self.model if self.average is None else self.average.model

    @property
    def looked_at(self) -> nn.Module:
        """What a look goes through: of a linear probe on features the head alone."""
        return self.shown if self.net is self.model else head_alone(self.shown)

    @property
    def progress(self) -> float:
        """The share of the budget that is used, in [0, 1]."""
        if self.replay and self.step >= self.replay.last:
            return 1.0
        share = self.replay.share(self.step) if self.replay else None
        return self.budget.progress(self.step) if share is None else share

    @property
    def is_over(self) -> bool:
        """Whether no step is left. A step that began just before the end of the budget may be taken at a share of 1."""
        if self.replay:
            return self.step >= self.replay.last
        return self.patience.is_over or self.budget.progress(self.step) >= 1

    @property
    def epoch(self) -> float:
        return self.origin[1] + (self.step - self.origin[0]) / self.batches.per_epoch

    @property
    def images_seen(self) -> int:
        before, size = self.origin[1] * self.batches.per_epoch, self.batches.size
        return round(before * size) + (self.step - self.origin[0]) * size


def _grouping(state: Any, replay: Replay | None) -> int:
    """How the optimiser's parameters are grouped: as in what is taken up again, else as today."""
    if replay is not None:
        return replay.grouping
    if not isinstance(state, Mapping) or state.get("optimizer") is None:
        return GROUPING
    found = state.get("grouping", 1)
    return found if isinstance(found, int) else 1
