"""The tables that the paper itself prints, digit by digit (arXiv 2010.11929v2); None where a cell is empty.

Figures 3 and 5 are drawn from Tables 5 and 6. Of Figures 2 and 4 no numbers are printed, so they are not here.
"""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "Dosovitskiy et al. 2021, An Image is Worth 16x16 Words (arXiv 2010.11929)"

# ---------------------------------------------------------------------- Table 2

BENCHMARKS = ("ImageNet", "ImageNet ReaL", "CIFAR-10", "CIFAR-100", "Pets", "Flowers", "VTAB (19 tasks)")


@dataclass(frozen=True)
class Best:
    """A column of Table 2: top-1 in % with its standard deviation over three fine-tuning runs, where they are printed.

    days: TPUv3-core-days of pre-training.
    """

    model: str
    family: str
    data: str
    top1: tuple[float | None, ...]  # one for each of BENCHMARKS
    spread: tuple[float | None, ...]
    days: float


TABLE_2 = (
    Best(
        "ViT-H/14 (JFT)", "vit", "JFT-300M",
        (88.55, 90.72, 99.50, 94.55, 97.56, 99.68, 77.63), (0.04, 0.05, 0.06, 0.04, 0.03, 0.02, 0.23), 2500,
    ),
    Best(
        "ViT-L/16 (JFT)", "vit", "JFT-300M",
        (87.76, 90.54, 99.42, 93.90, 97.32, 99.74, 76.28), (0.03, 0.03, 0.03, 0.05, 0.11, 0.00, 0.46), 680,
    ),
    Best(
        "ViT-L/16 (I21k)", "vit", "ImageNet-21k",
        (85.30, 88.62, 99.15, 93.25, 94.67, 99.61, 72.72), (0.02, 0.05, 0.03, 0.05, 0.15, 0.02, 0.21), 230,
    ),
    Best(
        "BiT-L (ResNet152x4)", "resnet", "JFT-300M",
        (87.54, 90.54, 99.37, 93.51, 96.62, 99.63, 76.29), (0.02, None, 0.06, 0.08, 0.23, 0.03, 1.70), 9900,
    ),
    Best(
        "Noisy Student (EfficientNet-L2)", "other", "ImageNet, JFT-300M without labels",
        (88.4, 90.55, None, None, None, None, None), (None,) * 7, 12300,
    ),
)  # fmt: skip

# ---------------------------------------------------------------------- Table 5 (Figure 3)

PRE_TRAINED_ON = ("ImageNet", "ImageNet-21k", "JFT-300M")
IMAGES = (1.3e6, 14e6, 303e6)  # of each, section 4.1
TRANSFER = ("CIFAR-10", "CIFAR-100", "ImageNet", "ImageNet ReaL", "Flowers", "Pets")
# model -> for each of PRE_TRAINED_ON the top-1 in % on each of TRANSFER
TABLE_5: dict[str, tuple[tuple[float, ...] | None, ...]] = {
    "ViT-B/32": (
        (97.77, 86.31, 73.38, 79.56, 85.43, 92.04),
        (98.79, 91.97, 81.28, 86.63, 99.11, 93.02),
        (98.61, 90.49, 80.73, 86.27, 99.27, 93.40),
    ),
    "ViT-B/16": (
        (98.13, 87.13, 77.91, 83.57, 89.49, 93.81),
        (98.95, 91.67, 83.97, 88.35, 99.38, 94.43),
        (99.00, 91.87, 84.15, 88.85, 99.56, 95.80),
    ),
    "ViT-L/32": (
        (97.94, 87.07, 71.16, 77.83, 86.36, 91.35),
        (99.13, 93.04, 80.99, 85.65, 99.19, 93.09),
        (99.19, 92.52, 84.37, 88.28, 99.45, 95.83),
    ),
    "ViT-L/16": (
        (97.86, 86.35, 76.53, 82.19, 89.66, 93.64),
        (99.16, 93.44, 85.15, 88.40, 99.61, 94.73),
        (99.38, 94.04, 87.12, 89.99, 99.56, 97.11),
    ),
    "ViT-H/14": (
        None,
        (99.27, 93.82, 85.13, 88.70, 99.51, 94.82),
        (99.50, 94.55, 88.04, 90.33, 99.68, 97.56),
    ),
}

# ---------------------------------------------------------------------- Table 6 (Figure 5)

SCALING = ("ImageNet", "ImageNet ReaL", "CIFAR-10", "CIFAR-100", "Pets", "Flowers")


@dataclass(frozen=True)
class Scaled:
    """A row of Table 6: pre-trained on JFT-300M for so many epochs; top-1 in % on each of SCALING."""

    model: str
    family: str  # vit, resnet or hybrid
    epochs: int
    top1: tuple[float, ...]
    exaflops: int


TABLE_6 = (
    Scaled("ViT-B/32", "vit", 7, (80.73, 86.27, 98.61, 90.49, 93.40, 99.27), 55),
    Scaled("ViT-B/16", "vit", 7, (84.15, 88.85, 99.00, 91.87, 95.80, 99.56), 224),
    Scaled("ViT-L/32", "vit", 7, (84.37, 88.28, 99.19, 92.52, 95.83, 99.45), 196),
    Scaled("ViT-L/16", "vit", 7, (86.30, 89.43, 99.38, 93.46, 96.81, 99.66), 783),
    Scaled("ViT-L/16", "vit", 14, (87.12, 89.99, 99.38, 94.04, 97.11, 99.56), 1567),
    Scaled("ViT-H/14", "vit", 14, (88.08, 90.36, 99.50, 94.71, 97.11, 99.71), 4262),
    Scaled("ResNet50x1", "resnet", 7, (77.54, 84.56, 97.67, 86.07, 91.11, 94.26), 50),
    Scaled("ResNet50x2", "resnet", 7, (82.12, 87.94, 98.29, 89.20, 93.43, 97.02), 199),
    Scaled("ResNet101x1", "resnet", 7, (80.67, 87.07, 98.48, 89.17, 94.08, 95.95), 96),
    Scaled("ResNet152x1", "resnet", 7, (81.88, 87.96, 98.82, 90.22, 94.17, 96.94), 141),
    Scaled("ResNet152x2", "resnet", 7, (84.97, 89.69, 99.06, 92.05, 95.37, 98.62), 563),
    Scaled("ResNet152x2", "resnet", 14, (85.56, 89.89, 99.24, 91.92, 95.75, 98.75), 1126),
    Scaled("ResNet200x3", "resnet", 14, (87.22, 90.15, 99.34, 93.53, 96.32, 99.04), 3306),
    Scaled("R50x1+ViT-B/32", "hybrid", 7, (84.90, 89.15, 99.01, 92.24, 95.75, 99.46), 106),
    Scaled("R50x1+ViT-B/16", "hybrid", 7, (85.58, 89.65, 99.14, 92.63, 96.65, 99.40), 274),
    Scaled("R50x1+ViT-L/32", "hybrid", 7, (85.68, 89.04, 99.24, 92.93, 96.97, 99.43), 246),
    Scaled("R50x1+ViT-L/16", "hybrid", 7, (86.60, 89.72, 99.18, 93.64, 97.03, 99.40), 859),
    Scaled("R50x1+ViT-L/16", "hybrid", 14, (87.12, 89.76, 99.31, 93.89, 97.36, 99.11), 1668),
)

# ---------------------------------------------------------------------- Table 9

GROUPS = {
    "Natural": ("Caltech101", "CIFAR-100", "DTD", "Flowers102", "Pets", "Sun397", "SVHN"),
    "Specialized": ("Camelyon", "EuroSAT", "Resisc45", "Retinopathy"),
    "Structured": (
        "Clevr-Count", "Clevr-Dist", "DMLab", "dSpr-Loc", "dSpr-Ori", "KITTI-Dist", "sNORB-Azim", "sNORB-Elev",
    ),
}  # fmt: skip
TASKS = tuple(task for group in GROUPS.values() for task in group)
TABLE_9: dict[str, tuple[float, ...]] = {  # top-1 in % on each of TASKS
    "ViT-H/14 (JFT)": (
        95.3, 85.5, 75.2, 99.7, 97.2, 65.0, 88.9, 83.3, 96.7, 91.4, 76.6, 91.7, 63.8, 53.1, 79.4, 63.3, 84.5, 33.2,
        51.2,
    ),
    "ViT-L/16 (JFT)": (
        95.4, 81.9, 74.3, 99.7, 96.7, 63.5, 87.4, 83.6, 96.5, 89.7, 77.1, 86.4, 63.1, 49.7, 74.5, 60.5, 82.2, 36.2,
        51.1,
    ),
    "ViT-L/16 (I21k)": (
        90.8, 84.1, 74.1, 99.3, 92.7, 61.0, 80.9, 82.5, 95.6, 85.2, 75.3, 70.3, 56.1, 41.9, 74.7, 64.9, 79.9, 30.5,
        41.7,
    ),
}  # fmt: skip
MEANS = {"ViT-H/14 (JFT)": 77.6, "ViT-L/16 (JFT)": 76.3, "ViT-L/16 (I21k)": 72.7}  # as printed
