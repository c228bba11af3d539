"""A batch that the threads cannot share evenly: oneDNN writes beyond its memory there, and the process would end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from vit_explore.training.devices import even_threads

ROOT = Path(__file__).parents[2]
CODE = """
import sys
import torch
import torch.nn.functional as F
from vit_explore.config import ModelConfig
from vit_explore.models import create_model
from vit_explore.training.parallel import Replicas

torch.set_num_threads(2)
replicas = Replicas(create_model(ModelConfig(architecture="resnet-slim")).train(), 1)
for images in (3, 15, 7):
    x = torch.randn(images, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        replicas.backward(lambda m, x, y: F.cross_entropy(m(x), y, reduction="sum"), x, torch.zeros(images).long())
print("alive", torch.get_num_threads())
"""


@pytest.mark.slow
def test_an_odd_batch_trains_a_resnet_in_two_threads() -> None:
    """Without even_threads it ends with SIGABRT or SIGSEGV."""
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "alive 2"), done.stderr[-2000:]


@pytest.mark.parametrize(
    ("kernel", "images", "threads"), [(3, 3, 1), (3, 4, 2), (3, 64, 2), (4, 3, 2)]
)  # a 4 x 4 window with stride 4 is a patch projection
def test_the_threads_divide_the_images(kernel: int, images: int, threads: int) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, kernel, stride=4 if kernel == 4 else 1))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with even_threads(model, torch.zeros(images, 3, 8, 8)):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
