"""The commands that ask trained models about validation images: `trust` and `lab`, as tables or as JSON."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

from vit_explore.config import RunConfig
from vit_explore.config.train import Precision
from vit_explore.errors import BadConfig
from vit_explore.flags import add_settings, changes_from, named_by_flags
from vit_explore.printing import percent, print_table, say
from vit_explore.told import Progress

if TYPE_CHECKING:
    from vit_explore.data import Split
    from vit_explore.labs import Lab, LabResult
    from vit_explore.progress import Bar
    from vit_explore.trust.results import Ranking, Score


def add_trust(parser: argparse.ArgumentParser) -> None:
    """The arguments of `trust`."""
    parser.add_argument("ref", metavar="REF", help="run:ID, bundled:NAME or timm:NAME")
    parser.add_argument("--methods", metavar="NAMES", help="with commas between; by default all that fit")
    parser.add_argument("--explain", choices=("predicted", "label"), default="predicted", help="the class to explain")
    parser.add_argument("--steps", type=int, default=32, metavar="N", help="points on a path, or samples (default 32)")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="auto",
        help="of the passes behind the curves; auto: bf16 where the device is faster at it (default auto)",
    )
    _add_common(parser, 128)


def add_lab(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lab`."""
    parser.add_argument("lab", metavar="LAB", help="its name; an unknown one lists them")
    about = "run:ID, bundled:NAME or timm:NAME; one or more, none for a lab of recorded runs"
    parser.add_argument("refs", metavar="REF", nargs="+", default=[], help=about).required = False
    _add_common(parser, 512)


def _add_common(parser: argparse.ArgumentParser, images: int) -> None:
    text = f"so many validation images (default {images})"
    parser.add_argument("--images", type=int, default=images, metavar="N", help=text)
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")
    add_settings(parser, ("data",), RunConfig())


def rank_methods(arguments: argparse.Namespace) -> int:
    """trust"""
    import numpy as np
    import torch

    from vit_explore.progress import Bar
    from vit_explore.runs.references import load_model
    from vit_explore.trust.ranking import rank_steps

    model = load_model(arguments.ref)
    with Bar(quiet=arguments.json) as bar:
        val = _pictures(arguments, arguments.ref, model.classes, bar)
        images = torch.cat([model.preprocess(np.ascontiguousarray(one)) for one in val.images.transpose(0, 2, 3, 1)])
        masks = None if val.masks is None else model.seen_masks(val.masks)
        names = arguments.methods.split(",") if arguments.methods else None
        options = {"explained": arguments.explain, "steps": arguments.steps, "precision": arguments.precision}
        for step in rank_steps(model, images, val.labels, names, masks=masks, **options):
            if isinstance(step, Progress):
                bar.show(0.1 + 0.9 * step.share, step.words)
            else:
                ranking = step
    say(json.dumps(_as_json(arguments.ref, ranking))) if arguments.json else _print(arguments.ref, ranking)
    return 0


def run_lab(arguments: argparse.Namespace) -> int:
    """lab"""
    from vit_explore import labs
    from vit_explore.progress import Bar
    from vit_explore.runs.references import load_model

    lab = labs.labs.get(arguments.lab)
    if not lab.axis:
        raise BadConfig(f"The lab {lab.name} trains its own runs; start it with: sweep {lab.name}.")
    if lab.needs == "records":
        if arguments.refs:
            raise BadConfig(f"The lab {lab.name} asks recorded runs, and no models; leave out {arguments.refs[0]}.")
        *_, known = labs.run(lab.name)
        assert isinstance(known, labs.LabResult)
        _say_lab(lab, known, "Test accuracy of recorded runs, the mean of their seeds", arguments.json)
        return 0
    if not arguments.refs:
        raise BadConfig(f"The lab {lab.name} asks models; name one or more, such as bundled:vit-cifar10.")
    models = [load_model(ref) for ref in arguments.refs]
    with Bar(quiet=arguments.json) as bar:
        val = _pictures(arguments, arguments.refs[0], models[0].classes, bar)
        for model in models[1:]:
            _check_classes(model.classes, models[0].classes)
        for step in labs.run(lab.name, models, val.images, labels=val.labels, masks=val.masks):
            if isinstance(step, Progress):
                bar.show(0.1 + 0.9 * step.share, step.words)
            else:
                found = step
    _say_lab(lab, found, f"Over {len(val.labels)} validation images", arguments.json)
    return 0


def _say_lab(lab: Lab, found: LabResult, over: str, as_json: bool) -> None:
    if as_json:
        lines = [asdict(line) | {"kept": None if math.isnan(line.kept) else line.kept} for line in found.lines]
        facts = {"lab": lab.name, "question": lab.question, "verdict": found.verdict, "findings": found.findings}
        say(json.dumps({**facts, "axis": lab.axis, "lines": lines}))
        return
    say(f"{lab.title}: {lab.question}", f"{over}, by {lab.axis}:")
    shares = [[f"{100 * value:.1f} %" for value in line.accuracy] for line in found.lines]
    rows = [(f"{level:,g}", *cells) for level, *cells in zip(lab.levels, *shares, strict=True)]
    print_table((lab.axis, *(line.ref for line in found.lines)), rows)
    say(*found.findings, found.verdict, f"Expected: {lab.expected}")


def _pictures(arguments: argparse.Namespace, ref: str, classes: tuple[str, ...], bar: Bar) -> Split:
    """The first validation images of the data of the flags, over those that the model was trained on."""
    import numpy as np

    from vit_explore.data import load_dataset
    from vit_explore.runs.references import data_of

    if arguments.images < 1:
        raise BadConfig(f"--images {arguments.images} is not possible: at least 1 is needed.")
    own = data_of(ref)
    with named_by_flags():
        base = RunConfig(data=own) if own is not None else RunConfig()
        config = base.update(**changes_from(arguments)).data
    dataset = load_dataset(config, lambda words, share: bar.show(0.1 * share, words))
    _check_classes(dataset.classes, classes)
    return dataset.val.take(np.arange(min(arguments.images, len(dataset.val))))


def _check_classes(found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    if found != wanted:
        raise BadConfig(
            f"The classes are not the same: {_some(found)} and {_some(wanted)}; name models of the same classes, and "
            "the data that they were trained on with --dataset and --classes."
        )


def _some(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:3]) + (f" and {len(classes) - 3} more" if len(classes) > 3 else "")


def _print(ref: str, ranking: Ranking) -> None:
    right = "" if ranking.accuracy is None else f", of which the model gets {percent(ranking.accuracy)} right"
    say(
        f"{ref} on {ranking.images} validation images{right}; explained is the {ranking.explained} class, the curves "
        f"are in {ranking.precision}."
    )
    on_object = ranking.object_share is not None
    head = ("method", "deletion", "insertion", "better than chance by", "95 %", "like shuffled", "ms/image")
    print_table((*head, *(("on the object", "pointing") if on_object else ())), [_row(s) for s in ranking.scores])
    if ranking.object_share is not None:
        say(f"The object covers {percent(ranking.object_share)} of a picture.")
    say(ranking.sentence)


def _row(score: Score) -> tuple[str, ...]:
    low, high = score.interval
    beside = ("–", "–") if score.is_chance else (f"{score.gain:+.3f}", f"{low:+.3f} to {high:+.3f}")
    known = [value for value in score.likeness.tolist() if not math.isnan(value)]
    like = f"{sum(known) / len(known):+.2f}" if known else "–"
    areas = f"{score.deletion.mean():.3f}", f"{score.insertion.mean():.3f}"
    cells = (*areas, *beside, like, f"{1000 * score.seconds:.1f}")
    if score.on_object is None or score.pointing is None:
        return (score.title, *cells)
    return (score.title, *cells, percent(float(score.on_object.mean())), percent(float(score.pointing.mean())))


def _as_json(ref: str, ranking: Ranking) -> dict[str, Any]:
    rows = [
        {
            "method": s.method, "deletion": float(s.deletion.mean()), "insertion": float(s.insertion.mean()),
            "gain": s.gain, "interval": None if ranking.images < 2 else list(s.interval), "verdict": s.verdict,
            "like_shuffled": [None if math.isnan(v) else v for v in s.likeness.tolist()], "seconds": s.seconds,
            "on_object": None if s.on_object is None else float(s.on_object.mean()),
            "pointing": None if s.pointing is None else float(s.pointing.mean()),
        }
        for s in ranking.scores
    ]  # fmt: skip
    facts = ("images", "explained", "accuracy", "object_share", "sanity_images", "precision", "sentence")
    return {"ref": ref, **{name: getattr(ranking, name) for name in facts}, "rows": rows}
