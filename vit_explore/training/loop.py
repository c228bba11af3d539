"""fit(): one training run as a generator of events.

What a step sees follows from (seed, step) alone, so a resumed run goes on exactly where it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vit_explore.config import RunConfig
from vit_explore.data import Dataset
from vit_explore.errors import TrainingFailed
from vit_explore.training import failures, said
from vit_explore.training.controls import Controls
from vit_explore.training.devices import device_name, is_out_of_memory
from vit_explore.training.evaluate import Evaluation, never
from vit_explore.training.events import (
    Changed,
    Checkpoint,
    Evaluated,
    Event,
    Paused,
    Snapshot,
    Step,
)
from vit_explore.training.fastest import settle, wants_compiling
from vit_explore.training.frozen import AS_IS, FeatureBatches, featured
from vit_explore.training.held import Held
from vit_explore.training.looks import Looks
from vit_explore.training.peak import Peak
from vit_explore.training.replay import Pin, Replay
from vit_explore.training.stepping import CUDA_LOG_STEPS, Stepping
from vit_explore.training.transfer import Initial, head_alone

PAUSE_POLL = 0.05  # seconds between two looks at whether a pause is over
PACE = 0.9  # weight of the past in the running images/s
Looking = Generator[Evaluated, None, Evaluation | None]


def fit(
    config: RunConfig, should_stop: Callable[[], bool] | None = None, initial: Initial | None = None
) -> Iterator[Event]:
    """Train as `config` says and yield Started, then Step, Evaluated and Snapshot events, then Finished.

    `should_stop` is asked after each step and within evaluations. `initial`: what `init_from` names, read (as `vx.fit`
    does). Raises TrainingFailed when the loss is not finite or the memory is spent.
    """
    events = Trainer(config, should_stop=should_stop, initial=initial).events()
    yield from (event for event in events if not isinstance(event, Checkpoint))


class Trainer(Stepping):
    """A run in progress: `events()` trains; the state of a Checkpoint, passed as `state` later, goes on from there.

    `wants_checkpoint` and `wants_snapshot` are asked wherever one may be made: after a step and all that belongs to it.
    `controls` is asked before each step; a difference from what holds is heeded and told. `should_stop` is asked
    between probes, steps and the batches of an evaluation; `skips_test`, once it trains no more, leaves out the test.
    `replay`: take the steps of a recorded run again, with what held for them, and look at nothing meanwhile.
    `initial`: the weights that the model of a run with `init_from` starts from.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset | None = None,
        should_stop: Callable[[], bool] | None = None,
        state: dict[str, Any] | None = None,
        progress: Callable[[str, float], None] | None = None,
        wants_checkpoint: Callable[[], bool] | None = None,
        controls: Callable[[], Controls] | None = None,
        wants_snapshot: Callable[[], bool] | None = None,
        skips_test: Callable[[], bool] | None = None,
        replay: Replay | None = None,
        initial: Initial | None = None,
    ) -> None:
        try:
            super().__init__(config, dataset, state, progress, replay, initial)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            on_device = isinstance(error, torch.OutOfMemoryError)
            raise TrainingFailed(failures.no_room(device_name(self.device) if on_device else "this machine")) from error
        self.should_stop = should_stop or never
        self.wants_checkpoint = wants_checkpoint or never
        self.wants_snapshot = wants_snapshot or never
        self.skips_test = skips_test or never
        self.controls = controls or Controls
        if replay is not None:
            self.controls = lambda: replay.controls(self.step, self.train)
        self.progress_note = progress or (lambda _what, _share: None)
        self._heeded: Controls | None = None
        self._snapped = self.step  # the step of the last snapshot, or where it begins: one is there already
        self._counted = self.budget.used  # seconds that are in the running images/s already

    # ------------------------------------------------------------------ the run

    def events(self) -> Iterator[Event]:
        """The run, from where it stands to the end of its budget or to `should_stop`, where a Checkpoint is made."""
        threads_of_the_caller, self.peak = torch.get_num_threads(), Peak(self.device)
        try:
            threads = self.replay.pin.threads if self.replay else self.train.threads
            if threads:
                torch.set_num_threads(threads)
            self._settle()
            yield from self._events()
        except (RuntimeError, ValueError, MemoryError) as error:
            why = self._why_it_failed(error)
            if why is None:
                raise
            raise TrainingFailed(why) from error
        finally:
            self.replicas.close()
            torch.set_num_threads(threads_of_the_caller)

    def _settle(self) -> None:
        """Find the fastest way to do a step, and prepare it, before the clock starts."""
        if self._pin is not None and self._pin.threads != torch.get_num_threads():
            self._pin, self.mixed = None, True  # another machine than the one where it was found out
        if self.train.tune == "head":
            self._freeze()
        half = self.model_config.takes_half_size and self.train.low_res_fraction > 0
        if wants_compiling(self.train, self.device):
            self.progress_note("Compiling the training step; the clock has not started", 0.0)
        x, y = self.batches.at(self.step)
        with self._own_numbers():
            self.numerics, self.replicas = settle(
                self.net, self.train, self._loss_with, x, y, half, self._pin, self.should_stop
            )
        self.numerics.apply(self.shown)

    def _freeze(self) -> None:
        """From images to features, where nobody asks for the end meanwhile; a step is too short to try anything out."""
        steps = featured(self.model, self.model_config, self.dataset)
        while not self.should_stop():
            try:
                self.progress_note(*next(steps))
            except StopIteration as end:
                self.batches = FeatureBatches(end.value, self.train, self.device, AS_IS)
                self.looks = Looks(end.value, self.train, self.batches.mean, self.batches.std, AS_IS)
                self.net = head_alone(self.model)
                self._pin = self._pin or Pin("fp32", True, 1, torch.get_num_threads())
                return

    def _events(self) -> Iterator[Event]:
        yield said.started(self)
        self.budget.start()
        if self.step == 0:
            yield self._snapshot()
        self.looks.passed(self.progress)
        if (self.step == 0 or self.is_fork) and not self.replay:
            yield from self._look_on_the_way("val")
        stopped = self.should_stop()
        pending: list[tuple[int, Tensor]] = []
        while not (self.is_over or stopped):
            if self.controls() != self._heeded:
                yield from self._heed(pending)
                stopped = self.should_stop()
            if not stopped:
                yield from self._one_step(pending)
                stopped = self.should_stop()
                if not (pending or stopped):
                    yield from self._checkpoint(self.wants_checkpoint())
        yield from self._tell(pending)
        yield from self._end(stopped and not self.is_over)

    def _one_step(self, pending: list[tuple[int, Tensor]]) -> Iterator[Event]:
        """A step, and what belongs to it. pending: the losses of steps that were not told yet."""
        pending.append((self.step + 1, self._train_step()))
        if self._reports():
            yield from self._tell(pending)
        if self._is_snapshot_step():
            yield self._snapshot()
        elif self.wants_snapshot():
            yield self._snapshot(on_clock=True)
        if not self.replay and self.looks.is_due(self.progress, self.budget.elapsed):
            self.looks.passed(self.progress)
            yield from self._look_on_the_way("val")
            yield from self._look_on_the_way("train")

    def _heed(self, pending: list[tuple[int, Tensor]]) -> Iterator[Event]:
        """Do as `controls` say: stand still, and go on with what is set by then."""
        if self.controls().paused:
            yield from self._tell(pending)
            yield from self._pause()
        controls = replace(self.controls(), paused=False)  # a new pause is heeded anew
        held = Held.by(controls, self.train)
        is_news = self._heeded is None and held != Held.by(Controls(), self.train)  # the record begins anew, too
        if held != self.held or is_news:
            self.hold(held)
            yield Changed(self.step, self.budget.elapsed, **vars(held))
        self._heeded = controls

    def _pause(self) -> Iterator[Event]:
        """The clock stands, and nothing is computed, until someone goes on, or stops the run."""
        begun = time.perf_counter()
        self.budget.pause()
        while self.controls().paused and not self.should_stop():
            if self._snapped != self.step and self.wants_snapshot():
                yield self._snapshot(on_clock=True)
            yield from self._checkpoint(self.wants_checkpoint())
            time.sleep(PAUSE_POLL)
        self.budget.start()
        yield Paused(self.step, self.budget.elapsed, time.perf_counter() - begun)

    def _end(self, stopped: bool) -> Iterator[Event]:
        self.budget.pause()
        seconds = self.budget.elapsed
        if self.patience.is_over:
            self.patience.bring_back(self.shown)
        if self.patience.is_over or not self._is_snapshot_step():
            yield self._snapshot()
        yield from self._checkpoint(stopped or self.wants_checkpoint())
        test = None
        if not stopped or (self.step > 0 and self.looks.is_worth_testing(len(self.replicas.models), self.rate)):
            yield from self._last_look("val", stopped, seconds)
            if not stopped:
                yield from self._look_on_the_way("train")  # so that both are known of the same weights
            yield from self._checkpoint(self.wants_checkpoint())
            test = yield from self._last_look("test", stopped, seconds)
            yield from self._checkpoint(test is None and self.wants_checkpoint())  # it was left
        yield said.finished(self, stopped, seconds, test, self.peak.bytes())

    # ------------------------------------------------------------------ what is said

    def _reports(self) -> bool:
        return self.device.type == "cpu" or self.step % CUDA_LOG_STEPS == 0 or self.is_over

    def _tell(self, pending: list[tuple[int, Tensor]]) -> Iterator[Step]:
        if pending:
            yield self._step_event(pending)
            pending.clear()

    def _step_event(self, pending: list[tuple[int, Tensor]]) -> Step:
        losses = torch.stack([loss for _, loss in pending]).tolist()  # waits for the GPU
        for (step, _), loss in zip(pending, losses, strict=True):
            if not math.isfinite(loss):
                raise TrainingFailed(failures.not_finite(step, loss, self.train.lr * self.held.lr_factor))
        return Step(
            step=self.step,
            epoch=self.epoch,
            loss=losses[-1],
            lr=self.lr,
            images_seen=self.images_seen,
            images_per_second=self._images_per_second(len(pending)),
            elapsed=self.budget.elapsed,
            remaining=self.budget.remaining(self.step),
            progress=self.share or 0.0,
        )

    def _images_per_second(self, steps: int) -> float:
        """Running mean of the pace, evaluations left out."""
        now = self.budget.elapsed
        busy, self._counted = now - self._counted, now
        rate = steps * self.batches.size / max(busy, 1e-9)
        self.rate = rate if not self.rate else PACE * self.rate + (1 - PACE) * rate
        return self.rate

    def _checkpoint(self, wanted: bool) -> Iterator[Checkpoint]:
        if wanted:
            yield Checkpoint(self.step, self.state_dict())

    def _snapshot(self, on_clock: bool = False) -> Snapshot:
        self._snapped = self.step
        return said.snapshot(self, on_clock)

    def _look_on_the_way(self, split: str) -> Iterator[Evaluated]:
        """None where somebody asks for the end meanwhile."""
        result = self._look(
            split, self.looks.fixed, self.should_stop, self.looks.seconds_on_the_way(self.budget.elapsed)
        )
        if result is not None:
            if split == "val":
                self.patience.look(result.top1, self.step, self.shown)
            yield said.evaluated(self, split, result)

    def _last_look(self, split: str, stopped: bool, trained: float) -> Looking:
        """At all images, as far as the time allows; None where it was left. The curve's last point is as the others."""
        leave = self.skips_test if stopped else self._hears_and_skips
        self.progress_note(self.looks.words(split), 0.0)
        result = self._look(split, None, leave, self.looks.seconds_at_the_end(stopped, trained))
        if result is not None:
            on_the_curve = result.first(self.looks.fixed) if split == "val" else result
            yield said.evaluated(self, split, on_the_curve)
            self.val_top1 = result.top1 if split == "val" else self.val_top1
        return result

    def _hears_and_skips(self) -> bool:
        """A Stop after the last step is heard; it keeps the test, unless the test is not wanted."""
        self.should_stop()
        return self.skips_test()

    def _look(self, split: str, at_most: int | None, leave: Callable[[], bool], seconds: float) -> Evaluation | None:
        result = self.looks.at(split, self.looked_at, self.numerics, self.replicas.map, at_most, leave, seconds)
        if split == "val" and result is not None:
            self.sample_probs, self.val_top1 = self.looks.sample_probs(result), result.top1
        self._counted = self.budget.elapsed
        return result
