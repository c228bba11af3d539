"""Training speed: our step against the plain loop, timm's ViT in our loop, and the machine's matrix products.

VIT_EXPLORE_DATA=… python benchmarks/throughput.py [--device auto] [--seconds 10] [--repeats 3] [--workers 2]

Each measurement is a process of its own, in turn: `ours` with the thread settings of `python -m vit_explore`, the plain
loop with those that a new process has. Same model, batch, optimiser. Full-size images throughout, but for the preset's
own first part, on half-size ones: that pace, and the mean over a whole run, are given beside.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from common import heading, options, row, table

from vit_explore.openmp import SETTINGS

WARM = 15  # steps before the clock starts
BACKWARD = 2  # a backward pass has twice the products of the forward pass


def main() -> None:
    parser = options(__doc__ or "", seconds=10)
    parser.add_argument("--preset", default="minute", help="whose model, batch and optimiser")
    parser.add_argument("--workers", type=int, default=2, help="DataLoader processes of the plain loop")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        print(json.dumps(CONTENDERS[arguments.contender](arguments)))
        return
    heading("start-up, data loading, the probe of precision and threads", f"the first {WARM} steps", "evaluation")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(arguments.repeats):
        for name in CONTENDERS:
            found[name].append(_measure(name, arguments))
    _report(found)


def _measure(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    own = {} if name == "plain" else SETTINGS
    done = subprocess.run(
        [sys.executable, __file__, *sys.argv[1:], "--contender", name],
        check=True, capture_output=True, text=True, env=os.environ | own,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _report(found: dict[str, list[dict[str, Any]]]) -> None:
    rates = {name: [one["rate"] for one in many] for name, many in found.items()}
    kinds = {one["how"] for one in found["ours"]}
    table(("what", "median", "smallest to largest"))
    row(f"ours ({'; '.join(sorted(kinds))})", rates["ours"], "images/s", 0)
    part, mean = _whole_run(found)
    row(f"… on half-size images, the first {part:.0%} of a run", rates["half"], "images/s", 0)
    row("… mean of a whole run", mean, "images/s", 0)
    row("plain loop: torchvision transforms, DataLoader, fp32", rates["plain"], "images/s", 0)
    row("timm's ViT of the same shape in our loop", rates["timm"], "images/s", 0)
    row("limit: the model's own matrix products, alone", rates["products"], "images/s", 0)
    row("limit: one large square product of as many FLOPs", rates["square"], "images/s", 0)
    for peer, name in (("plain", "plain loop"), ("timm", "timm"), ("products", "own products"), ("square", "square")):
        row(f"ours ÷ {name}", [a / b for a, b in zip(rates["ours"], rates[peer], strict=True)], "×")
    row("mean of a whole run ÷ plain loop", [a / b for a, b in zip(mean, rates["plain"], strict=True)], "×")


def _whole_run(found: dict[str, list[dict[str, Any]]]) -> tuple[float, list[float]]:
    """Part of a run's time on half-size images, and its mean images/s in each round."""
    part = found["half"][0]["part"]
    pairs = zip(found["half"], found["ours"], strict=True)
    return part, [part * half["rate"] + (1 - part) * full["rate"] for half, full in pairs]


# ---------------------------------------------------------------------- what is measured, each in its process


def _config(arguments: argparse.Namespace, **changes: Any) -> Any:
    from vit_explore.presets import presets

    base = presets.get(arguments.preset).config
    return base.update(**({"low_res_fraction": 0} | changes), epochs=1000, evaluations=1, device=arguments.device)


def _rate(steps: Iterator[int], seconds: float, sync: Callable[[], object]) -> float:
    """Images per second of an endless iterator of the images of each step."""
    for _ in range(WARM):
        next(steps)
    sync()
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        images += next(steps)
    sync()
    return images / (time.perf_counter() - start)


def _ours(arguments: argparse.Namespace, **changes: Any) -> dict[str, Any]:
    from vit_explore.training import Step, Trainer

    trainer = Trainer(_config(arguments, **changes))

    def steps() -> Iterator[int]:
        before = 0
        for event in trainer.events():
            if isinstance(event, Step):
                yield event.images_seen - before
                before = event.images_seen

    rate = _rate(steps(), arguments.seconds, _sync(trainer.device))
    return {"rate": rate, "how": f"{trainer.numerics.precision}, {len(trainer.replicas.models)} replicas"}


def _half(arguments: argparse.Namespace) -> dict[str, Any]:
    from vit_explore.presets import presets

    part = presets.get(arguments.preset).config.train.low_res_fraction
    return _ours(arguments, low_res_fraction=0.99) | {"part": part}


def _timm(arguments: argparse.Namespace) -> dict[str, Any]:
    from peers import TIMM

    return _ours(arguments, model=TIMM)


def _plain(arguments: argparse.Namespace) -> dict[str, Any]:
    from peers import PlainLoop

    from vit_explore.data import load_dataset

    config = _config(arguments)
    loop = PlainLoop(config, load_dataset(config.data), seconds=1e9, workers=arguments.workers)
    return {"rate": _rate(loop.steps(), arguments.seconds, _sync(loop.device))}


def _square(arguments: argparse.Namespace) -> dict[str, Any]:
    import torch

    device, dtype = _fastest(arguments)
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    per_second = _repeat(lambda: a @ b, arguments.seconds / 2, device)
    return {"rate": per_second * 2 * side**3 / _flops(arguments)}


def _products(arguments: argparse.Namespace) -> dict[str, Any]:
    """The products of one step, forward and backward, on tensors that are there: nothing else of the step."""
    import torch

    device, dtype = _fastest(arguments)
    config = _config(arguments)
    shapes = _shapes(config.model, config.train.batch_size)
    pairs = [
        (torch.randn(k, m, i, device=device).to(dtype), torch.randn(k, i, n, device=device).to(dtype))
        for k, m, i, n in shapes
    ]

    def step() -> None:
        for a, b in pairs:
            out = torch.bmm(a, b) if len(a) > 1 else a[0] @ b[0]
            for _ in range(BACKWARD // 2):
                g = out if len(a) > 1 else out[None]
                torch.bmm(g, b.transpose(1, 2)) if len(a) > 1 else g[0] @ b[0].T
                torch.bmm(a.transpose(1, 2), g) if len(a) > 1 else a[0].T @ g[0]

    return {"rate": _repeat(step, arguments.seconds / 2, device) * config.train.batch_size}


def _shapes(model: Any, batch: int) -> list[tuple[int, int, int, int]]:
    """Every product of a forward pass, (products, rows, inner, columns)."""
    patches = (model.image_size // model.patch_size) ** 2
    tokens = patches + (model.pool == "cls") + model.num_registers
    width, hidden, heads = model.width, int(model.width * model.mlp_ratio), model.num_heads
    rows, part = batch * tokens, width // heads
    block = [
        (1, rows, width, 3 * width),
        (batch * heads, tokens, part, tokens),
        (batch * heads, tokens, tokens, part),
        (1, rows, width, width),
        (1, rows, width, hidden),
        (1, rows, hidden, width),
    ]
    return [(1, batch * patches, 3 * model.patch_size**2, width), *block * model.depth]


def _repeat(step: Callable[[], object], seconds: float, device: Any) -> float:
    """Calls per second."""
    sync = _sync(device)
    for _ in range(WARM):
        step()
    sync()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        calls += 1
        if calls % 20 == 0:
            sync()
    sync()
    return calls / (time.perf_counter() - start)


def _flops(arguments: argparse.Namespace) -> float:
    from vit_explore.models import summarise

    config = _config(arguments)
    return summarise(config.model).flops * (1 + BACKWARD)


def _fastest(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The device, and the precision in which it multiplies fastest: the limit of the faster one."""
    import torch

    from vit_explore.training.devices import pick_device

    device = pick_device(arguments.device)
    speed = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(512, 512, device=device).to(dtype)
        speed[dtype] = _repeat(lambda a=a: a @ a, 0.3, device)
    return device, max(speed, key=lambda dtype: speed[dtype])


def _sync(device: Any) -> Callable[[], object]:
    import torch

    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


CONTENDERS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "ours": _ours, "half": _half, "plain": _plain, "timm": _timm, "products": _products, "square": _square,
}  # fmt: skip

if __name__ == "__main__":
    main()
