"""Stains that `tiny` knows, and others, which it sees in shades."""

import numpy as np
import pytest

from cascade.preprocess import WHITE
from cascade.sam.colours import familiar, shades


def stained(*colour):
    """A blank field with a stained square of 3 % of it."""
    out = np.full((100, 100, 3), WHITE, np.uint8)
    out[20:37, 30:48] = colour
    return out


@pytest.mark.parametrize(
    ("colour", "known"),
    [
        ((95, 60, 213), True),  # purple
        ((80, 90, 150), True),  # blue
        ((110, 70, 150), True),  # pink
        ((60, 213, 95), False),  # green
        ((90, 90, 90), False),  # grey, whose shades are itself
        ((213, 60, 140), False),  # red
        ((213, 200, 60), False),  # yellow
    ],
)
def test_which_stains_are_familiar(colour, known):
    assert familiar(stained(*colour)) == known


@pytest.mark.parametrize("level", [WHITE, 255])
def test_an_even_picture_is_of_no_colour(level):
    assert familiar(np.full((4, 5, 3), level, np.uint8))


def test_shades_keep_the_mean():
    assert shades(np.array([[[10, 20, 31], [255, 255, 255]]], np.uint8)).tolist() == [[[20] * 3, [255] * 3]]
