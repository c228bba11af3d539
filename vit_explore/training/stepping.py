"""One step of a run: what it sees, at which learning rate, and the loss that it goes by."""

from __future__ import annotations

import traceback
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.training import failures
from vit_explore.training.devices import Numerics, device_name, even_threads, is_out_of_memory, largest_batch
from vit_explore.training.parallel import LossOf
from vit_explore.training.schedule import is_kept, is_snapshot_step, lr_factor
from vit_explore.training.setup import seeded
from vit_explore.training.state import TrainState

CUDA_LOG_STEPS = 10  # reading a loss waits for the GPU; on a CPU every step is reported


class Stepping(TrainState):
    """A run that can take a step."""

    def _train_step(self) -> Tensor:
        """One step of the optimiser; the loss stays on the device."""
        if self.share is None or self._holds_no_longer():
            self.share = self.progress
        self.lr = self.train.lr * self._lr_factor(self.share) * self.held.lr_factor
        self.optimizer.set_lr(self.lr)
        x, y = self.batches.at(self.step, self.share)
        if self.model_config.takes_half_size and self.share < self.train.low_res_fraction:
            x = F.avg_pool2d(x, 2)
        with self._own_numbers():
            loss = self.replicas.backward(self._loss_with(self.numerics), x, y)
        if self.train.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.train.grad_clip)
        self.optimizer.step(self.replicas.map)
        if self.average is not None:
            self.average.update(self.model)
        self.step += 1
        return loss

    def _own_numbers(self) -> AbstractContextManager[None]:
        """What a model draws follows from (seed, step) alone."""
        seed = self.train.seed * 1_000_003 + self.step
        return seeded(seed, self.device) if self._is_random else nullcontext()

    def _lr_factor(self, share: float) -> float:
        """What the schedule gives at this share of the budget."""
        train = self.train
        return lr_factor(share, train.warmup_fraction, train.schedule, train.warmup_start, train.lr_decay, self.epoch)

    def _is_snapshot_step(self) -> bool:
        """Whether a snapshot belongs to the step at which the run is."""
        return is_snapshot_step(self.step, None if self.train.tune == "head" else self.batches.per_epoch)

    def _loss_with(self, numerics: Numerics) -> LossOf:
        def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            with numerics.autocast(self.device):
                answers = model(x, both=True) if share else model(x)[None]
            smoothing = self.train.label_smoothing
            losses = [F.cross_entropy(a.float(), y, label_smoothing=smoothing, reduction="sum") for a in answers]
            return (1 - share) * losses[0] + share * losses[1] if share else losses[0]

        share = self.train.patch_loss if self.model_config.answers_twice else 0.0
        return loss_of

    def _holds_no_longer(self) -> bool:
        """Whether the share is to be looked at anew.

        Of a budget in seconds, it holds from one step that the store keeps to the next: so the record says at which
        share every step was taken.
        """
        is_told = is_kept(self.step) and (self.device.type == "cpu" or self.step % CUDA_LOG_STEPS == 0)
        return self.budget.total_steps is not None or self.replay is not None or is_told

    def _why_it_failed(self, error: BaseException) -> str | None:
        """In one sentence, where it is what a person can do something about."""
        if failures.is_single_value(error):
            return failures.single_value(self.batches.size, self.model_config.image_size)
        if not is_out_of_memory(error):
            return None
        traceback.clear_frames(error.__traceback__)  # what the step had in hand would still fill the memory
        return self._out_of_memory()

    def _out_of_memory(self) -> str:
        def attempt(size: int) -> None:
            side = self.model_config.image_size
            x = torch.zeros(size, 3, side, side, device=self.device)
            with self.numerics.autocast(self.device):
                loss = self.model(x).float().sum()
            with even_threads(self.model, x):
                loss.backward()

        self.model.zero_grad(set_to_none=True)
        fits = largest_batch(attempt, self.batches.size)
        return failures.out_of_memory(device_name(self.device), self.batches.size, fits)
