"""What looking inside costs: the questions of the pages, and each heatmap method as a multiple of a forward pass.

VIT_EXPLORE_DATA=… python benchmarks/inside.py [--device cpu] [--repeats 3] [--only NAME …]

The bundled ViT and ResNet, on validation images of CIFAR-10. The peer of a heatmap is a plain forward pass of the same
image by the same model, in turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from common import heading, median, options, row, table

VIT, RESNET = "bundled:vit-cifar10", "bundled:resnet-cifar10"


def main() -> None:
    parser = options(__doc__ or "", seconds=1)
    parser.add_argument("--only", nargs="+", help="words of the rows to measure; by default all")
    arguments = parser.parse_args()
    heading("opening the models, reading the data")
    import torch

    import vit_explore as vx
    from vit_explore.runs.references import snapshot_steps

    vit, resnet = vx.load_model(VIT), vx.load_model(RESNET)
    val = vx.load_dataset(vx.DataConfig(dataset="cifar10")).val
    pictures = [one.transpose(1, 2, 0).copy() for one in val.images[:1000]]
    images = torch.cat([vit.preprocess(one) for one in pictures])
    on_resnet = torch.cat([resnet.preprocess(one) for one in pictures[:512]])
    labels = val.labels[:1000]

    def lab(name: str) -> Callable[[], Any]:
        return lambda: list(vx.labs.run(name, (vit, resnet), val.images[:512], labels=val.labels[:512]))

    def move() -> None:
        """What the page Rearrange it asks at a move."""
        for model, method, image in ((vit, "attention", images[:1]), (resnet, "grad_cam", on_resnet[:1])):
            with torch.no_grad():
                model.model(image)
            vx.explain.heatmap(model, image, method)

    questions: dict[str, Callable[[], Any]] = {
        "trust: all methods, one picture": lambda: vx.trust.rank(vit, images[:1], sanity_images=0, precision="auto"),
        "trust: ranking over 128 images": lambda: vx.trust.rank(vit, images[:128], labels[:128], precision="auto"),
        "ablation: 16 heads, 1,000 images": lambda: vx.explain.head_ablation(vit, images, labels),
        "CKA: three matrices, 512 images": lambda: [
            vx.explain.cka_matrix(vit, vit, images[:512]),
            vx.explain.cka_matrix(resnet, resnet, on_resnet),
            vx.explain.cka_matrix(vit, resnet, (images[:512], on_resnet)),
        ],
        "receptive fields, 64 images": lambda: vx.explain.receptive_field(resnet, on_resnet[:64]),
        f"film: {len(snapshot_steps(VIT))} snapshots": lambda: vx.film.record(VIT, pictures[0]),
        "a move of a piece: ViT and ResNet": move,
        **{f"lab: {name}": lab(name) for name, one in vx.labs.labs if one.axis and not one.needs},
    }
    _questions(arguments, questions)
    _methods(arguments, {"ViT": (vit, images[:32]), "ResNet": (resnet, on_resnet[:32])})


def _questions(arguments: Any, questions: dict[str, Callable[[], Any]]) -> None:
    shown = [name for name in questions if not arguments.only or any(word in name for word in arguments.only)]
    if not shown:
        return
    table(("question", "seconds", "spread"))
    times: dict[str, list[float]] = {name: [] for name in shown}
    for _ in range(arguments.repeats):
        for name in shown:
            times[name].append(_seconds(questions[name]))
    for name in shown:
        row(name, times[name], "s")


def _methods(arguments: Any, models: dict[str, tuple[Any, Any]]) -> None:
    """Each method's maps of 32 images, against plain passes of them."""
    if arguments.only and "methods" not in arguments.only:
        return
    import torch

    from vit_explore.explain.heatmaps import Question, heat_methods, methods_for

    for title, (model, images) in models.items():
        table((f"{title}, 32 images", "times a forward pass", "spread"))
        targets = torch.zeros(len(images), dtype=torch.long)
        names = [name for name in methods_for(model.model, images) if not heat_methods.get(name).is_chance]
        ratios: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(arguments.repeats):
            for name in names:
                asked = Question(model.model, images, targets, torch.zeros_like(images[:1]))
                with torch.no_grad():
                    plain = median([_seconds(lambda model=model, images=images: model.model(images)) for _ in range(9)])
                ratios[name].append(_seconds(lambda name=name, asked=asked: heat_methods.get(name).run(asked)) / plain)
        for name in names:
            row(heat_methods.get(name).title, ratios[name], "×", 1)


def _seconds(do: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
