"""Numbers as people say them."""

from __future__ import annotations

import math

import pytest

from vit_explore.ui.kit import wording


@pytest.mark.parametrize("images", [1, 10, 57, 399])
def test_few_test_images_are_a_caution_of_two_standard_errors(images: int) -> None:
    points = 2 * 100 * math.sqrt(0.5 * 0.5 / images)
    assert f"With {images} test images" in wording.few_tests(images)
    assert f"± {points:.0f} points" in wording.few_tests(images)


@pytest.mark.parametrize("images", [0, 400, 10_000])
def test_enough_test_images_and_none_are_no_caution(images: int) -> None:
    assert wording.few_tests(images) == ""
