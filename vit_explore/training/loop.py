"""fit(): one training run as a generator of events.

What a step sees follows from (seed, step) alone, so a resumed run goes on exactly where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vit_explore.config import RunConfig
from vit_explore.data import Dataset, Split, load_dataset
from vit_explore.errors import TrainingFailed
from vit_explore.models import create_model, summarise
from vit_explore.training import failures
from vit_explore.training.batches import Batches
from vit_explore.training.devices import (
    Numerics,
    device_name,
    is_out_of_memory,
    largest_batch,
    pick_device,
)
from vit_explore.training.evaluate import evaluate
from vit_explore.training.events import Checkpoint, Evaluated, Event, Finished, Snapshot, Started, Step
from vit_explore.training.fastest import settle, wants_compiling
from vit_explore.training.metrics import macro_f1
from vit_explore.training.optimizers import make_optimizers
from vit_explore.training.parallel import LossOf, Replicas
from vit_explore.training.restore import restore
from vit_explore.training.schedule import Budget, is_snapshot_step, lr_factor
from vit_explore.training.setup import fit_to_data

FIRST_LOOK = 250  # validation images before the first step: guessing needs no precision, and someone waits
SAMPLE = 16  # validation images whose predictions are followed
CUDA_LOG_STEPS = 10  # reading a loss waits for the GPU; on a CPU every step is reported
EVAL_SHARE = 0.15  # of a budget in seconds, at most, goes into validation
PACE = 0.9  # weight of the past in the running images/s


def fit(config: RunConfig, should_stop: Callable[[], bool] | None = None) -> Iterator[Event]:
    """Train as `config` says and yield Started, then Step, Evaluated and Snapshot events, then Finished.

    `should_stop` is asked after each step. Raises TrainingFailed when the loss is not finite or the memory is spent.
    """
    events = Trainer(config, should_stop=should_stop).events()
    yield from (event for event in events if not isinstance(event, Checkpoint))


class Trainer:
    """A run in progress: `events()` trains; the state of a Checkpoint, passed as `state` later, goes on from there.

    `wants_checkpoint` is asked wherever one may be made: after a step and all that belongs to it.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset | None = None,
        should_stop: Callable[[], bool] | None = None,
        state: dict[str, Any] | None = None,
        progress: Callable[[str, float], None] | None = None,
        wants_checkpoint: Callable[[], bool] | None = None,
    ) -> None:
        self.config, self.train = config, config.train
        self.should_stop = should_stop or (lambda: False)
        self.wants_checkpoint = wants_checkpoint or (lambda: False)
        self.progress_note = progress
        self.device = pick_device(self.train.device)
        self.dataset = dataset or load_dataset(config.data, progress)
        self.model_config = fit_to_data(config.model, self.dataset)
        self.batches = Batches(self.dataset, self.train, self.device)
        total = None if self.train.epochs is None else max(1, round(self.train.epochs * self.batches.per_epoch))
        self.budget = Budget(total, self.train.seconds)
        self.step, self.rate, self.eval_seconds = 0, 0.0, 0.0
        self.lr = 0.0  # that of the last step
        self.numerics = Numerics("fp32", fused=True)  # until the probe has found the fastest
        self.replicas = Replicas(nn.Identity(), 1)
        self._build()
        if state is not None:
            self.step, self.budget.used = restore(state, self.model, self.optimizer)
        self._counted = self.budget.used  # seconds that are in the running images/s already

    def _build(self) -> None:
        self.summary = summarise(self.model_config)  # refuses a model that does not take images of this size
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
            torch.manual_seed(self.train.seed)
            self.model = create_model(self.model_config)
        self.model.to(self.device).to(memory_format=torch.channels_last).train()
        card = self.model_config.card
        self._is_random = card.is_random(self.model_config)
        self.optimizer = make_optimizers(self.model, card, self.train)

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimiser, step and seconds used: tensors, numbers and strings only."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed": self.budget.elapsed,
        }

    # ------------------------------------------------------------------ the run

    def events(self) -> Iterator[Event]:
        """The run, from where it stands to the end of its budget or to `should_stop`, where a Checkpoint is made."""
        threads_of_the_caller = torch.get_num_threads()
        try:
            if self.train.threads:
                torch.set_num_threads(self.train.threads)
            self._settle()
            yield from self._events()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise TrainingFailed(self._out_of_memory()) from error
        finally:
            self.replicas.close()
            torch.set_num_threads(threads_of_the_caller)

    def _settle(self) -> None:
        """Find the fastest way to do a step, and prepare it, before the clock starts."""
        half = self.model_config.takes_half_size and self.train.low_res_fraction > 0
        if wants_compiling(self.train, self.device) and self.progress_note:
            self.progress_note("Compiling the training step; the clock has not started", 0.0)
        x, y = self.batches.at(self.step)
        self.numerics, self.replicas = settle(self.model, self.train, self._loss_with, x, y, half)

    def _events(self) -> Iterator[Event]:
        yield self._started()
        self.budget.start()
        if self.step == 0:
            yield self._snapshot()
        looks = math.floor(self.progress * self.train.evaluations)
        if self.step == 0:
            yield self._evaluate("val", min(FIRST_LOOK, self.train.val_images))
        stopped = False
        pending: list[tuple[int, Tensor]] = []
        while self.progress < 1 and not stopped:
            pending.append((self.step + 1, self._train_step()))
            stopped = self.should_stop()
            if self._reports():
                yield self._step_event(pending)
                pending.clear()
            if is_snapshot_step(self.step, self.batches.per_epoch):
                yield self._snapshot()
            if self._due(looks):
                looks = math.floor(self.progress * self.train.evaluations)
                yield self._evaluate("val", self.train.val_images)
            if not (pending or stopped):
                yield from self._checkpoint(self.wants_checkpoint())
        yield from self._end(stopped and self.progress < 1)

    def _due(self, looks: int) -> bool:
        """Whether the next validation is due; on a slow machine it may not eat up a budget in seconds."""
        affordable = self.train.seconds is None or self.eval_seconds <= EVAL_SHARE * self.budget.elapsed
        return affordable and self.progress < 1 and math.floor(self.progress * self.train.evaluations) > looks

    def _end(self, stopped: bool) -> Iterator[Event]:
        seconds = self.budget.elapsed
        self.budget = Budget(self.budget.total_steps, self.budget.seconds, used=seconds)  # the clock stands still
        if not is_snapshot_step(self.step, self.batches.per_epoch):
            yield self._snapshot()
        yield from self._checkpoint(stopped or self.wants_checkpoint())
        val = self._evaluate("val")
        yield val
        yield from self._checkpoint(self.wants_checkpoint())
        test = self._evaluate("test")
        yield test
        yield Finished(
            step=self.step,
            stopped=stopped,
            test_top1=test.top1,
            test_loss=test.loss,
            macro_f1=macro_f1(test.confusion),
            val_top1=val.top1,
            per_class=test.per_class,
            confusion=test.confusion,
            predictions=self._predictions,
            params=self.summary.params,
            flops=self.summary.flops,
            images_seen=self.images_seen,
            images_per_second=self.images_seen / max(seconds, 1e-9),
            train_seconds=seconds,
            eval_seconds=self.eval_seconds,
            device=device_name(self.device),
        )

    # ------------------------------------------------------------------ one step

    def _train_step(self) -> Tensor:
        """One step of the optimiser; the loss stays on the device."""
        self.lr = self.train.lr * lr_factor(self.progress, self.train.warmup_fraction)
        self.optimizer.set_lr(self.lr)
        if self._is_random:
            torch.manual_seed(self.train.seed * 1_000_003 + self.step)
        x, y = self.batches.at(self.step)
        if self.is_half_size:
            x = F.avg_pool2d(x, 2)
        loss = self.replicas.backward(self._loss_with(self.numerics), x, y)
        if self.train.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.train.grad_clip)
        self.optimizer.step(self.replicas.map)
        self.step += 1
        return loss

    def _loss_with(self, numerics: Numerics) -> LossOf:
        def loss_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            with numerics.autocast(self.device):
                logits = model(x)
            return F.cross_entropy(logits.float(), y, label_smoothing=self.train.label_smoothing, reduction="sum")

        return loss_of

    @property
    def progress(self) -> float:
        return self.budget.progress(self.step)

    @property
    def is_half_size(self) -> bool:
        """Whether this step sees images of half the side: a quarter of the tokens."""
        return self.model_config.takes_half_size and self.progress < self.train.low_res_fraction

    @property
    def epoch(self) -> float:
        return self.step / self.batches.per_epoch

    @property
    def images_seen(self) -> int:
        return self.step * self.batches.size

    # ------------------------------------------------------------------ what is said

    def _reports(self) -> bool:
        return self.device.type == "cpu" or self.step % CUDA_LOG_STEPS == 0 or self.progress >= 1

    def _started(self) -> Started:
        train, val, test = self.dataset.train, self.dataset.val, self.dataset.test
        return Started(
            device=device_name(self.device),
            precision=self.numerics.precision,
            threads=torch.get_num_threads(),
            params=self.summary.params,
            flops=self.summary.flops,
            classes=self.dataset.classes,
            model=self.model_config,
            mean=self.dataset.mean,
            std=self.dataset.std,
            train_size=len(train.labels),
            val_size=len(val.labels),
            test_size=len(test.labels),
            steps_per_epoch=self.batches.per_epoch,
            sample_images=np.ascontiguousarray(val.images[:SAMPLE]),
            sample_labels=val.labels[:SAMPLE],
            resumed_at=self.step,
        )

    def _step_event(self, pending: list[tuple[int, Tensor]]) -> Step:
        losses = torch.stack([loss for _, loss in pending]).tolist()  # waits for the GPU
        for (step, _), loss in zip(pending, losses, strict=True):
            if not math.isfinite(loss):
                raise TrainingFailed(failures.not_finite(step, loss, self.train.lr))
        return Step(
            step=self.step,
            epoch=self.epoch,
            loss=losses[-1],
            lr=self.lr,
            images_seen=self.images_seen,
            images_per_second=self._images_per_second(len(pending)),
            elapsed=self.budget.elapsed,
            remaining=self.budget.remaining(self.step),
        )

    def _images_per_second(self, steps: int) -> float:
        """Running mean of the pace, evaluations left out."""
        now = self.budget.elapsed
        busy, self._counted = now - self._counted, now
        rate = steps * self.batches.size / max(busy, 1e-9)
        self.rate = rate if not self.rate else PACE * self.rate + (1 - PACE) * rate
        return self.rate

    def _snapshot(self) -> Snapshot:
        weights = {
            name: (value.half() if value.is_floating_point() else value).cpu().clone()
            for name, value in self.model.state_dict().items()
        }
        return Snapshot(self.step, self.epoch, self.budget.elapsed, weights)

    def _checkpoint(self, wanted: bool) -> Iterator[Checkpoint]:
        if wanted:
            yield Checkpoint(self.step, self.state_dict())

    def _evaluate(self, split: str, at_most: int | None = None) -> Evaluated:
        part: Split = getattr(self.dataset, split)
        images, labels = part.images[:at_most], part.labels[:at_most]
        result = evaluate(
            self.model, images, labels, self.batches.mean, self.batches.std, self.numerics, self.replicas.map
        )
        sample = self.dataset.val.images[:SAMPLE]
        if split == "val":
            self._sample_probs = result.probs[: len(sample)]
        self._predictions = result.predictions
        self.eval_seconds += result.seconds
        self._counted = self.budget.elapsed
        return Evaluated(
            step=self.step,
            epoch=self.epoch,
            elapsed=self.budget.elapsed,
            images_seen=self.images_seen,
            split=split,
            loss=result.loss,
            top1=result.top1,
            per_class=result.per_class,
            confusion=result.confusion,
            sample_probs=self._sample_probs,
        )

    def _out_of_memory(self) -> str:
        def attempt(size: int) -> None:
            x = torch.zeros(size, 3, *self.batches.images.shape[-2:], device=self.device)
            with self.numerics.autocast(self.device):
                self.model(x).float().sum().backward()

        self.model.zero_grad(set_to_none=True)
        fits = largest_batch(attempt, self.batches.size)
        return failures.out_of_memory(device_name(self.device), self.batches.size, fits)
