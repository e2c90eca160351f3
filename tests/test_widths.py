"""Widths of drawn lines, with and without a soft edge."""

import cv2
import numpy as np
import pytest

from cascade.widths import darkness, measure_width, profile_width

HL = 40.0
LINE = np.stack([np.arange(20.0, 181.0), np.full(161, 50.0)], -1)


def drawn(width, blur=0.0, dark=100):
    image = np.full((100, 200, 3), 240, np.uint8)
    image[50 - width // 2 : 50 + width // 2 + 1] -= np.uint8(dark)
    return cv2.GaussianBlur(image, (0, 0), blur) if blur else image


@pytest.mark.parametrize("width", [3, 5, 7])
@pytest.mark.parametrize("dark", [20, 100])
def test_a_drawn_line_is_as_wide_as_drawn(width, dark):
    assert measure_width(LINE, darkness(drawn(width, dark=dark)), HL, 99.0) == pytest.approx(width, abs=0.5)


def test_a_soft_line_is_measured_where_contrast_has_fallen_to_two_fifths():
    """A Gaussian of sigma 3 falls to 0.4 at 1.354 sigma: 8.1 px from edge to edge."""
    at = np.arange(-16, 16.5, 0.5)
    profile = 10 + 80 * np.exp(-0.5 * (at / 3) ** 2)
    assert profile_width(profile, at, 99.0) == pytest.approx(2 * 3 * np.sqrt(2 * np.log(2.5)), abs=0.1)


def test_a_gap_in_the_stain_does_not_narrow_it():
    image = drawn(5)
    image[:, 80:110] = 240
    assert measure_width(LINE, darkness(image), HL, 99.0) == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize(
    ("line", "image"),
    [
        (LINE, np.full((100, 200, 3), 240, np.uint8)),
        (LINE[:2], drawn(5)),
        (LINE[:0], drawn(5)),
        (LINE, np.zeros((100, 200, 3), np.uint8)),
    ],
    ids=["blank", "short", "empty", "black"],
)
def test_where_nothing_can_be_measured_the_fallback_counts(line, image):
    assert measure_width(line, darkness(image), HL, 4.5) == 4.5


def test_a_line_along_the_border_is_measured():
    image = np.full((100, 200, 3), 240, np.uint8)
    image[:3] = 100
    assert 0 < measure_width(LINE * [1, 0], darkness(image), HL, 4.5) < 12
