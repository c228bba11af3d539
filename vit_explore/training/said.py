"""What a run says of itself: its events, made from where it stands."""

from __future__ import annotations

import numpy as np

from vit_explore.training.devices import device_name
from vit_explore.training.evaluate import Evaluation
from vit_explore.training.events import Evaluated, Finished, Snapshot, Started
from vit_explore.training.metrics import macro_f1, recall
from vit_explore.training.state import TrainState


def started(run: TrainState) -> Started:
    """The facts, before the first step."""
    train, val, test = run.dataset.train, run.dataset.val, run.dataset.test
    return Started(
        device=device_name(run.device),
        precision=run.numerics.precision,
        threads=run.replicas.threads,
        params=run.summary.params,
        flops=run.summary.flops,
        classes=run.dataset.classes,
        model=run.model_config,
        mean=run.dataset.mean,
        std=run.dataset.std,
        train_size=len(train.labels),
        val_size=len(val.labels),
        test_size=len(test.labels),
        steps_per_epoch=run.batches.per_epoch,
        sample_images=val.images[run.looks.sample],
        sample_labels=val.labels[run.looks.sample],
        resumed_at=run.step,
        fused=run.numerics.fused,
        replicas=len(run.replicas.models),
        compiled=run.replicas.models[0] is not run.net,
        mixed=run.mixed,
        init_digest=run.initial.digest if run.initial else None,
        grouping=run.grouping,
    )


def evaluated(run: TrainState, split: str, result: Evaluation) -> Evaluated:
    """The results of a look."""
    return Evaluated(
        step=run.step,
        epoch=run.epoch,
        elapsed=run.budget.elapsed,
        images_seen=run.images_seen,
        split=split,
        loss=result.loss,
        top1=result.top1,
        per_class=result.per_class,
        confusion=result.confusion,
        sample_probs=run.sample_probs,
    )


def snapshot(run: TrainState, on_clock: bool = False) -> Snapshot:
    """The weights as they are, fp16 on the CPU."""
    weights = {
        name: (value.half() if value.is_floating_point() else value).cpu().clone()
        for name, value in run.shown.state_dict().items()
    }
    return Snapshot(run.step, run.epoch, run.budget.elapsed, weights, on_clock)


def finished(
    run: TrainState, stopped: bool, seconds: float, test: Evaluation | None, peak_memory: int | None
) -> Finished:
    """The end, after so many seconds of training; test: None where there was none."""
    nothing = np.zeros((len(run.dataset.classes),) * 2, np.int64)
    return Finished(
        step=run.step,
        stopped=stopped,
        test_top1=test.top1 if test else None,
        test_loss=test.loss if test else None,
        macro_f1=macro_f1(test.confusion) if test else None,
        val_top1=run.val_top1,
        per_class=test.per_class if test else recall(nothing),
        confusion=test.confusion if test else nothing,
        predictions=test.predictions if test else np.zeros(0, np.int64),
        test_images=len(test.predictions) if test else 0,
        peak_memory=peak_memory,
        params=run.summary.params,
        flops=run.summary.flops,
        images_seen=run.images_seen,
        images_per_second=run.images_seen / max(seconds, 1e-9),
        train_seconds=seconds,
        eval_seconds=run.looks.seconds,
        device=device_name(run.device),
        best_step=run.patience.step if run.patience.is_over else None,
    )
