"""Measure what the bundled models show of themselves, and write it into docs/findings.md.

python scripts/measure_findings.py [ranking] [labs] [outsiders]      (all three by default; minutes each)

Needs CIFAR-10 (VIT_EXPLORE_DATA, or the hub). The words in docs/findings.md stay; what lies between the two marks of a
part is replaced. No number depends on how fast the machine is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

import vit_explore as vx  # noqa: E402  (the project need not be installed)
from vit_explore.data import Split  # noqa: E402
from vit_explore.labs.base import LabResult  # noqa: E402
from vit_explore.runs.loaded import LoadedModel  # noqa: E402
from vit_explore.runs.references import data_of  # noqa: E402
from vit_explore.trust.results import Ranking  # noqa: E402

PAGE = PROJECT / "docs" / "findings.md"
VIT, RESNET, BLIND = (f"bundled:{name}-cifar10" for name in ("vit", "resnet", "vit-nopos"))
SHAPES = "bundled:vit-shapes"
RANKED, LAB_IMAGES, KNOWN, ASKED = 128, 512, 1000, 1000


def split_of(ref: str, name: str) -> Split:
    """The validation or test images of a model's own data; drawn ones a few of each class."""
    data = data_of(ref)
    assert data is not None
    data = data.replace(per_class=200) if data.dataset == "shapes" else data
    return getattr(vx.load_dataset(data), name)


def batch(model: LoadedModel, split: Split, count: int) -> object:
    """The first images as the model sees them, (n, 3, h, w)."""
    import torch

    return torch.cat([model.preprocess(np.ascontiguousarray(x)) for x in split.images[:count].transpose(0, 2, 3, 1)])


def ranking() -> Iterator[str]:
    """Every heatmap method against chance."""
    for ref in (VIT, RESNET, SHAPES):
        model, val = vx.load_model(ref), split_of(ref, "val")
        images = batch(model, val, RANKED)
        masks = None if val.masks is None else np.asarray(val.masks[:RANKED])
        found: Ranking = vx.trust.rank(model, images, val.labels[:RANKED], masks=masks)
        yield f"\n**{ref}**, {found.images} validation images: {found.sentence}\n"
        objects = found.object_share is not None
        yield "| method | better than chance by | 95 % | like shuffled weights |" + (
            " on the object |" if objects else ""
        )
        yield "|---|---|---|---|" + ("---|" if objects else "")
        for s in sorted(found.scores, key=lambda s: -s.gain):
            if s.is_chance:
                continue
            low, high = s.interval
            like = f"{np.nanmean(s.likeness):+.2f}" if len(s.likeness) else "–"
            row = f"| {s.title} | {s.gain:+.3f} | {low:+.3f} to {high:+.3f} | {like} |"
            yield row + (f" {100 * s.on_object.mean():.0f} % |" if s.on_object is not None else "")
        if found.object_share is not None:
            yield f"\nThe object covers {100 * found.object_share:.0f} % of a picture."


def labs() -> Iterator[str]:
    """Every lab, ViT beside ResNet, and the ViT without position embeddings where the question is the order."""
    val = split_of(VIT, "val")
    known = sorted((lab for _, lab in vx.labs.labs if lab.axis), key=lambda lab: lab.order)
    for lab in known:
        refs, data = (SHAPES,), split_of(SHAPES, "val")
        if lab.needs != "masks":
            refs, data = (VIT, RESNET, *((BLIND,) if lab.name == "shuffle" else ())), val
        masks = {"masks": data.masks[:LAB_IMAGES]} if lab.needs == "masks" else {}
        asked = (refs, data.images[:LAB_IMAGES]) if lab.needs != "records" else ()
        told = {} if lab.needs == "records" else {"labels": data.labels[:LAB_IMAGES], **masks}
        *_, found = vx.labs.run(lab.name, *asked, **told)
        assert isinstance(found, LabResult)
        yield f"\n**{lab.title}** (`{lab.name}`). {found.verdict}\n"
        yield f"| {lab.axis} | " + " | ".join(f"{level:g}" for level in lab.levels) + " |"
        yield "|---" * (1 + len(lab.levels)) + "|"
        for line in found.lines:
            yield f"| {line.ref} | " + " | ".join(f"{100 * value:.1f}" for value in line.accuracy) + " |"


def outsiders() -> Iterator[str]:
    """How well pictures of another kind are told from test images, by each sign: the area under the ROC curve."""
    shapes = split_of(SHAPES, "val")
    heads = ("model", "insiders", "outsiders", "softmax", "energy", "distance", "together", "warned of outsiders")
    yield f"| {' | '.join((*heads, 'of insiders'))} |"
    yield "|---" * 9 + "|"
    for ref in (VIT, RESNET, SHAPES):
        model, val, test = vx.load_model(ref), split_of(ref, "val"), split_of(ref, "test")
        others, named = (split_of(VIT, "test"), "cifar10") if ref == SHAPES else (shapes, "shapes")
        meter = vx.trust.meter_of(model, batch(model, val, KNOWN), val.labels[:KNOWN])
        inside = meter.of(*vx.trust.features_of(model, batch(model, test, ASKED)))
        outside = meter.of(*vx.trust.features_of(model, batch(model, others, ASKED)))
        areas = [vx.trust.auroc(inside.signs[name], outside.signs[name]) for name in ("softmax", "energy", "distance")]
        areas.append(vx.trust.auroc(inside.together, outside.together))
        warned = [100 * float(one.is_strange.mean()) for one in (outside, inside)]
        cells = [*(f"{area:.3f}" for area in areas), *(f"{share:.0f} %" for share in warned)]
        own = data_of(ref)
        yield f"| {ref} | {own.dataset if own else '–'} | {named} | " + " | ".join(cells) + " |"


PARTS = {"ranking": ranking, "labs": labs, "outsiders": outsiders}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which; all by default")
    for name in parser.parse_args().parts or PARTS:
        lines = "\n".join(PARTS[name]()).strip()
        page = PAGE.read_text(encoding="utf-8")
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        PAGE.write_text(f"{before}{begin}\n{lines}\n{end}{after}", encoding="utf-8")
        print(f"{name}: written into {PAGE}", flush=True)


if __name__ == "__main__":
    main()
